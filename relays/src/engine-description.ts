import proto from '@temporalio/proto';
import { describeFailure, type FailureText } from './failure-text.ts';
import type { TemporalClient } from './temporal-call.ts';
import { answerOr, rfc3339Of } from './temporal-call.ts';

/** What the engine knows of a workflow id; `unknown` also when it has forgotten one that closed long ago. */
export type WorkflowState = 'running' | 'closed' | 'unknown';

/** A workflow task that nobody has completed yet. */
export interface PendingTask {
  /** From 1; grows when the task fails or times out at a worker. */
  readonly attempt: number;
  /** RFC 3339. */
  readonly scheduledAt: string;
  /** True while a worker has it. */
  readonly isStarted: boolean;
}

/** An activity that is not over. */
export interface PendingActivity {
  readonly activityId: string;
  readonly type: string;
  /** From 1. */
  readonly attempt: number;
  /** True while a worker has it, and while it waits for a completion from outside. */
  readonly isStarted: boolean;
  readonly taskQueue: string | null;
  /** RFC 3339: when this attempt may begin. */
  readonly scheduledAt: string | null;
  /** Why the attempt before failed. */
  readonly lastFailure: FailureText | null;
  /** RFC 3339; null when it does not wait for its next attempt. */
  readonly nextAttemptAt: string | null;
}

/** The newest run of a workflow, as the engine sees it now. */
export interface WorkflowDescription {
  readonly state: WorkflowState;
  /** Null when it is unknown. */
  readonly runId: string | null;
  /** RFC 3339; null while it is not closed. */
  readonly closedAt: string | null;
  /** Number of its newest event. */
  readonly historyLength: number;
  readonly pendingTask: PendingTask | null;
  readonly pendingActivities: readonly PendingActivity[];
  /** What the engine itself reports: `category=WorkflowTaskFailed`, `cause=WorkflowTaskFailedCause…`. */
  readonly reportedProblems: readonly string[];
}

/** Why the last workflow task failed. */
export interface TaskFailure {
  /** Number of the event. */
  readonly event: number;
  readonly kind: 'nondeterminism' | 'failure';
  readonly message: string;
  /** Build of the worker that failed it; null where it named none. */
  readonly buildId: string | null;
}

const {
  EventType,
  PendingActivityState,
  PendingWorkflowTaskState,
  TaskQueueType,
  WorkflowExecutionStatus,
} = proto.temporal.api.enums.v1;
const CAUSES = proto.temporal.api.enums.v1.WorkflowTaskFailedCause;

/** Every other state, one that is not known here included, counts as running: nothing is ended by mistake. */
const CLOSED: ReadonlySet<number> = new Set([
  WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
  WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
  WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
  WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
  WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
]);

/** Failures that the engine itself brings about, and that say nothing of the code. */
const NO_FAILURE: ReadonlySet<number> = new Set([
  CAUSES.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
  CAUSES.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
  CAUSES.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
  CAUSES.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
  CAUSES.WORKFLOW_TASK_FAILED_CAUSE_FAILOVER_CLOSE_COMMAND,
]);

const UNKNOWN: WorkflowDescription = {
  state: 'unknown',
  runId: null,
  closedAt: null,
  historyLength: 0,
  pendingTask: null,
  pendingActivities: [],
  reportedProblems: [],
};

/** Describes the newest run of a workflow. */
export function describeWorkflow(
  client: TemporalClient,
  workflowId: string,
): Promise<WorkflowDescription> {
  return answerOr(
    async () => {
      const { raw: answer } = await client.workflow.getHandle(workflowId).describe();
      const info = answer.workflowExecutionInfo;
      const isClosed = CLOSED.has(info?.status ?? 0);
      return {
        state: isClosed ? 'closed' : 'running',
        runId: info?.execution?.runId ?? null,
        closedAt: isClosed ? rfc3339Of(info?.closeTime) : null,
        historyLength: Number(info?.historyLength ?? 0),
        pendingTask: taskOf(answer.pendingWorkflowTask),
        pendingActivities: await Promise.all(
          (answer.pendingActivities ?? []).map((one) => activityOf(client, workflowId, one)),
        ),
        reportedProblems: problemsOf(info?.searchAttributes),
      };
    },
    UNKNOWN,
    'WorkflowNotFoundError',
  );
}

function taskOf(
  task: proto.temporal.api.workflow.v1.IPendingWorkflowTaskInfo | null | undefined,
): PendingTask | null {
  if (task == null) return null;
  return {
    attempt: task.attempt ?? 1,
    scheduledAt: rfc3339Of(task.scheduledTime) ?? new Date().toISOString(),
    isStarted: task.state === PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED,
  };
}

async function activityOf(
  client: TemporalClient,
  workflowId: string,
  activity: proto.temporal.api.workflow.v1.IPendingActivityInfo,
): Promise<PendingActivity> {
  const { lastFailure } = activity;
  return {
    activityId: activity.activityId ?? '',
    type: activity.activityType?.name ?? '',
    attempt: activity.attempt ?? 1,
    isStarted: activity.state !== PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED,
    taskQueue: activity.activityOptions?.taskQueue?.name ?? null,
    scheduledAt: rfc3339Of(activity.scheduledTime),
    lastFailure:
      lastFailure == null ? null : await describeFailure(client, workflowId, lastFailure),
    nextAttemptAt: rfc3339Of(activity.nextAttemptScheduleTime),
  };
}

/** A list of keywords, as plain JSON: search attributes do not pass the codec. */
function problemsOf(
  attributes: proto.temporal.api.common.v1.ISearchAttributes | null | undefined,
): readonly string[] {
  const data = attributes?.indexedFields?.['TemporalReportedProblems']?.data;
  if (data == null) return [];
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString('utf8'));
    return (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string');
  } catch {
    return [];
  }
}

/** Events that are read backwards at most: the failure stands behind the last task that ended well. */
const PAGE = 50;
const MOST_PAGES = 10;

/** Why the run's last workflow task failed; undefined when the last one that was worked on ended well. */
export async function readTaskFailure(
  client: TemporalClient,
  workflowId: string,
  runId: string,
): Promise<TaskFailure | undefined> {
  let nextPageToken: Uint8Array | undefined;
  let found: TaskFailure | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await client.workflowService.getWorkflowExecutionHistoryReverse({
      namespace: client.options.namespace,
      execution: { workflowId, runId },
      maximumPageSize: PAGE,
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    });
    for (const event of answer.history?.events ?? []) {
      // The start of the failed task says whose it was.
      if (found !== undefined && event.workflowTaskStartedEventAttributes != null) {
        const { workerVersion } = event.workflowTaskStartedEventAttributes;
        return { ...found, buildId: workerVersion?.buildId || found.buildId };
      }
      if (event.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) return found;
      const failed = event.workflowTaskFailedEventAttributes;
      if (found !== undefined || failed == null || NO_FAILURE.has(failed.cause ?? 0)) continue;
      const text = await describeFailure(client, workflowId, failed.failure ?? {});
      const isNondeterminism =
        failed.cause === CAUSES.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR;
      found = {
        event: Number(event.eventId),
        kind: isNondeterminism ? 'nondeterminism' : 'failure',
        message: text.message,
        buildId: failed.workerVersion?.buildId || failed.binaryChecksum || null,
      };
    }
    nextPageToken = answer.nextPageToken?.length ? answer.nextPageToken : undefined;
    if (nextPageToken === undefined) return found;
  }
  return found;
}

/** A worker's question stays open for a minute at most; then it asks again. */
const POLLED_WITHIN_MS = 75_000;

/** True when a worker has asked for activities of this queue within the last minute or so. */
export async function isPolled(client: TemporalClient, taskQueue: string): Promise<boolean> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
  });
  const since = Date.now() - POLLED_WITHIN_MS;
  return (pollers ?? []).some(
    ({ lastAccessTime }) => Date.parse(rfc3339Of(lastAccessTime) ?? '') > since,
  );
}
