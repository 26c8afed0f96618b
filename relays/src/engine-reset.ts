import proto from '@temporalio/proto';
import { describeWorkflow } from './engine-description.ts';
import { answerOr, type TemporalClient } from './temporal-call.ts';

/** Which run begins again, and from where. */
export interface WorkflowReset {
  readonly workflowId: string;
  readonly runId: string;
  /** Number of a WorkflowTaskCompleted event of that run. */
  readonly eventId: number;
  /** Idempotency key; stands in the history. */
  readonly requestId: string;
}

/**
 * `gone` when that run is not the newest one any more, or the engine has forgotten it; `impossible` when it cannot begin
 * again from that event.
 */
export type ResetAnswer =
  | { readonly kind: 'reset'; readonly runId: string }
  | { readonly kind: 'gone' }
  | { readonly kind: 'impossible'; readonly message: string };

const { ResetReapplyType } = proto.temporal.api.enums.v1;
const INVALID_ARGUMENT = 3;
const IDENTITY = 'sluice-relay';

/**
 * Begins a run again from the end of a workflow task: what came before stands, what came after is done again. Signals and
 * Updates that came after are given to the new run; a run that is open is ended.
 */
export async function resetWorkflow(
  client: TemporalClient,
  reset: WorkflowReset,
): Promise<ResetAnswer> {
  const { namespace } = client.options;
  const { workflowId, runId, eventId, requestId } = reset;
  const newest = await describeWorkflow(client, workflowId);
  if (newest.runId === null) return { kind: 'gone' };
  if (newest.runId !== runId) {
    return (await isBegunBy(client, newest.runId, reset))
      ? { kind: 'reset', runId: newest.runId }
      : { kind: 'gone' };
  }
  return answerOr<ResetAnswer, ResetAnswer>(
    async () => {
      const answer = await client.workflowService.resetWorkflowExecution({
        namespace,
        workflowExecution: { workflowId, runId },
        // What people say does not stand in a history as plain text: the event has it.
        reason: `sluice reset ${requestId}`,
        workflowTaskFinishEventId: eventId as never,
        requestId,
        resetReapplyType: ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
        identity: IDENTITY,
      });
      return { kind: 'reset', runId: answer.runId ?? '' };
    },
    { kind: 'gone' },
    'WorkflowNotFoundError',
  ).catch((error: { readonly code?: unknown; readonly details?: unknown }) => {
    if (error.code !== INVALID_ARGUMENT) throw error;
    return { kind: 'impossible', message: String(error.details ?? error) };
  });
}

/**
 * The newest run, when this very request has begun it: the reset stands in its history where the task ended in the run
 * before.
 */
async function isBegunBy(
  client: TemporalClient,
  newestRunId: string,
  { workflowId, runId, eventId, requestId }: WorkflowReset,
): Promise<boolean> {
  let nextPageToken: Uint8Array | undefined;
  do {
    const answer = await client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: { workflowId, runId: newestRunId },
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    });
    for (const event of answer.history?.events ?? []) {
      if (Number(event.eventId) < eventId) continue;
      const failed = event.workflowTaskFailedEventAttributes;
      return failed?.baseRunId === runId && failed.failure?.message?.includes(requestId) === true;
    }
    nextPageToken = answer.nextPageToken?.length ? answer.nextPageToken : undefined;
  } while (nextPageToken !== undefined);
  return false;
}

/** Has every activity that waits for its next attempt tried now; 0 when the run is over or none waits. */
export async function retryActivities(client: TemporalClient, workflowId: string): Promise<number> {
  const { namespace } = client.options;
  const { state, runId, pendingActivities } = await describeWorkflow(client, workflowId);
  if (state !== 'running') return 0;
  let tried = 0;
  // One that a worker has, or that is completed from outside, is left alone: it would be done twice.
  for (const { activityId } of pendingActivities.filter(({ isStarted }) => !isStarted)) {
    const wasThere = await answerOr(
      async () => {
        await client.workflowService.resetActivity({
          namespace,
          execution: { workflowId, runId: runId ?? '' },
          id: activityId,
          identity: IDENTITY,
        });
        return true;
      },
      false,
      'WorkflowNotFoundError',
    );
    if (wasThere) tried += 1;
  }
  return tried;
}
