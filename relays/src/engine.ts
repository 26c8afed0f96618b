import { SEARCH_ATTRIBUTES } from '@sluice/temporal-contract';
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  TypedSearchAttributes,
} from '@temporalio/common';
import {
  describeWorkflow,
  isPolled,
  readTaskFailure,
  type TaskFailure,
  type WorkflowDescription,
  type WorkflowState,
} from './engine-description.ts';
import {
  type ResetAnswer,
  resetWorkflow,
  retryActivities,
  type WorkflowReset,
} from './engine-reset.ts';
import { answerOr, type TemporalClient } from './temporal-call.ts';

export type { TaskFailure, WorkflowDescription, WorkflowState } from './engine-description.ts';
export type { ResetAnswer, WorkflowReset } from './engine-reset.ts';

/** What a start is given. */
export interface WorkflowStart {
  readonly workflowId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly input: unknown;
  readonly searchAttributes: {
    readonly tenant: string;
    readonly environment?: string;
    readonly release?: string;
  };
  /** Starts it again when the last run of this id failed, was terminated or ran out of time. */
  readonly restart?: 'after-failure';
}

/** Names one asynchronous activity. */
export interface ActivityPlace {
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
}

/** The durable engine as the relay needs it. Everything but the answers below is thrown and tried again. */
export interface Engine {
  /** `existing` when a run of this id is there, or was (with `restart`: and succeeded): it was delivered before. */
  startWorkflow(start: WorkflowStart): Promise<'started' | 'existing'>;
  /** `gone` when there is no open run of this id. */
  signalWorkflow(workflowId: string, signal: string, input: unknown): Promise<'sent' | 'gone'>;
  /** `gone` when the activity is over, or waits for its next attempt, which reads the records itself. */
  completeActivity(place: ActivityPlace, result: unknown): Promise<'completed' | 'gone'>;
  /** Ends an open run at once, whatever its code does; `gone` when there is none. */
  terminateWorkflow(workflowId: string, reason: string): Promise<'terminated' | 'gone'>;
  /** State of the newest run of this id. */
  findWorkflowState(workflowId: string): Promise<WorkflowState>;
  /** The newest run of this id with what it waits for. */
  describeWorkflow(workflowId: string): Promise<WorkflowDescription>;
  /** Why the last workflow task of a run failed; undefined when the last one that was worked on ended well. */
  readTaskFailure(workflowId: string, runId: string): Promise<TaskFailure | undefined>;
  /** Ends a run, if it has not ended, and begins it again from an event; the same request resets once. */
  resetWorkflow(reset: WorkflowReset): Promise<ResetAnswer>;
  /** Has every activity of an open run that waits for its next attempt tried now; gives how many there were. */
  retryActivities(workflowId: string): Promise<number>;
  /** True when a worker has asked for activities of this queue within the last minute or so. */
  isPolled(taskQueue: string): Promise<boolean>;
}

/** Milliseconds that one call may take. */
const CALL_DEADLINE_MS = 10_000;

const KEYS = {
  tenant: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD),
  environment: defineSearchAttributeKey(SEARCH_ATTRIBUTES.environment, SearchAttributeType.KEYWORD),
  release: defineSearchAttributeKey(SEARCH_ATTRIBUTES.release, SearchAttributeType.KEYWORD),
};

/** The engine behind a Temporal client whose payload codec picks its key by the workflow's id. */
export function createTemporalEngine(client: TemporalClient): Engine {
  const within = <T>(call: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + CALL_DEADLINE_MS, call);
  return {
    startWorkflow: (start) =>
      within(() =>
        answerOr(
          async () => {
            await client.workflow.start(start.workflowType, {
              workflowId: start.workflowId,
              taskQueue: start.taskQueue,
              args: [start.input],
              typedSearchAttributes: searchAttributesOf(start),
              // A second start of the same request is refused, and that is its answer.
              workflowIdConflictPolicy: 'FAIL',
              workflowIdReusePolicy:
                start.restart === 'after-failure'
                  ? 'ALLOW_DUPLICATE_FAILED_ONLY'
                  : 'REJECT_DUPLICATE',
            });
            return 'started' as const;
          },
          'existing' as const,
          'WorkflowExecutionAlreadyStartedError',
        ),
      ),
    signalWorkflow: (workflowId, signal, input) =>
      within(() =>
        answerOr(
          async () => {
            await client.workflow.getHandle(workflowId).signal(signal, input);
            return 'sent' as const;
          },
          'gone' as const,
          'WorkflowNotFoundError',
        ),
      ),
    completeActivity: (place, result) =>
      within(() =>
        answerOr(
          async () => {
            await client.activity.complete({ ...place }, result);
            return 'completed' as const;
          },
          'gone' as const,
          'ActivityNotFoundError',
        ),
      ),
    terminateWorkflow: (workflowId, reason) =>
      within(() =>
        answerOr(
          async () => {
            await client.workflow.getHandle(workflowId).terminate(reason);
            return 'terminated' as const;
          },
          'gone' as const,
          'WorkflowNotFoundError',
        ),
      ),
    findWorkflowState: (workflowId) =>
      within(async () => (await describeWorkflow(client, workflowId)).state),
    describeWorkflow: (workflowId) => within(() => describeWorkflow(client, workflowId)),
    readTaskFailure: (workflowId, runId) =>
      within(() => readTaskFailure(client, workflowId, runId)),
    resetWorkflow: (reset) => within(() => resetWorkflow(client, reset)),
    isPolled: (taskQueue) => within(() => isPolled(client, taskQueue)),
    retryActivities: (workflowId) => within(() => retryActivities(client, workflowId)),
  };
}

function searchAttributesOf({ searchAttributes }: WorkflowStart): TypedSearchAttributes {
  const { tenant, environment, release } = searchAttributes;
  return new TypedSearchAttributes([
    { key: KEYS.tenant, value: tenant },
    ...(environment === undefined ? [] : [{ key: KEYS.environment, value: environment }]),
    ...(release === undefined ? [] : [{ key: KEYS.release, value: release }]),
  ]);
}
