import type { OutboxRecord, Pool } from '@sluice/persistence';
import type { ActivityPlace, Engine } from './engine.ts';
import { isStartPending } from './pending-start.ts';
import {
  findResetObstacle,
  type ResetMessage,
  type ResetObstacle,
  recordReset,
  recordResetRefusal,
} from './reset-records.ts';

/** The result of an asynchronous activity by the records, written there before it is told to the engine. */
export type SettleActivity = (
  place: ActivityPlace & { readonly tenantId: string },
) => Promise<unknown>;

/** What delivery needs. */
export interface DeliveryParts {
  /** Of the role sluice_relay. */
  readonly pool: Pool;
  /** Of the role sluice_worker: writes what came of a reset. */
  readonly workerPool: Pool;
  readonly engine: Engine;
  /** Undefined as its answer means: complete with the message's own result. */
  readonly settleActivity: SettleActivity;
}

/**
 * Hands one message to the engine; delivering it again does no harm.
 * @returns a note where there was nothing left to do
 * @throws when it has to be tried again
 */
export async function deliverMessage(
  parts: DeliveryParts,
  message: OutboxRecord,
): Promise<string | undefined> {
  const { pool, engine, settleActivity } = parts;
  /** Reaches a workflow that may not be started yet; false when it is over. */
  const reach = async (what: string, call: () => Promise<boolean>): Promise<boolean> => {
    if (await call()) return true;
    const { workflowId } = message.body;
    if (await isStartPending(pool, message.tenantId, workflowId)) {
      throw new Error(`Workflow ${workflowId} is not started yet; ${what} waits for it.`);
    }
    // Another relay may have started it between the two looks: only now a "gone" means that it is over.
    return call();
  };
  switch (message.kind) {
    case 'start-workflow': {
      const answer = await engine.startWorkflow(message.body);
      return answer === 'existing' ? 'the workflow was started before' : undefined;
    }
    case 'signal-workflow': {
      const { workflowId, signal, input } = message.body;
      const sent = await reach(
        signal,
        async () => (await engine.signalWorkflow(workflowId, signal, input)) === 'sent',
      );
      return sent ? undefined : `the workflow is over: ${signal} had nobody to reach`;
    }
    case 'complete-activity': {
      const { workflowId, runId, activityId, result } = message.body;
      const place = { workflowId, runId, activityId };
      const settled = await settleActivity({ tenantId: message.tenantId, ...place });
      const answer = await engine.completeActivity(place, settled ?? result);
      return answer === 'gone' ? 'the activity is over or between attempts' : undefined;
    }
    case 'terminate-workflow': {
      const { workflowId, reason } = message.body;
      const ended = await reach(
        'its termination',
        async () => (await engine.terminateWorkflow(workflowId, reason)) === 'terminated',
      );
      return ended ? undefined : 'the workflow had ended by itself';
    }
    case 'reset-workflow':
      return deliverReset(parts, message);
    case 'retry-activity': {
      const tried = await engine.retryActivities(message.body.workflowId);
      return tried === 0 ? 'no activity waits for its next attempt' : undefined;
    }
  }
}

async function deliverReset(
  { workerPool, engine }: DeliveryParts,
  message: ResetMessage,
): Promise<string | undefined> {
  const refuse = async (obstacle: ResetObstacle): Promise<string> => {
    await recordResetRefusal(workerPool, message, obstacle);
    return `not reset (${obstacle.code})`;
  };
  const obstacle = await findResetObstacle(workerPool, engine, message);
  if (obstacle !== undefined) return refuse(obstacle);
  const { workflowId, runId, eventId } = message.body;
  const answer = await engine.resetWorkflow(message.body);
  switch (answer.kind) {
    case 'reset':
      await recordReset(workerPool, message, answer.runId);
      return undefined;
    case 'gone':
      return refuse({
        code: 'run-superseded',
        message: `Run ${runId} of ${workflowId} is not its newest run any more; look at the preview again.`,
      });
    case 'impossible':
      return refuse({
        code: 'reset-impossible',
        message: `Run ${runId} of ${workflowId} cannot begin again from event ${eventId}: ${answer.message}`,
      });
  }
}
