import type { InMemoryEngineOptions } from '@sluice/graphql/testing';
import {
  closeApprovalRequest,
  findApprovalRequest,
  insertEvent,
  type Pool,
  recordApproval,
  recordSteer,
  setRolloutPosition,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';

/** Writes an admitted decision as the worker's activities would: its record, its event, and the end of the request. */
export function recordAsWorker(pool: Pool): NonNullable<InMemoryEngineOptions['record']> {
  return ({ tenantId, promotionId }, { approvalId, decision }, state) =>
    withTenant(pool, tenantId, async (tx) => {
      const request = await findApprovalRequest(tx, promotionId);
      if (request === undefined) throw new Error(`${promotionId} asks for no approval.`);
      const { round, stepId } = request;
      const statementDigest = digestOfBytes(`statement of ${approvalId}`);
      await recordApproval(tx, { approvalId, stepId, round, statementDigest });
      const event = { actor: 'system:worker', subject: `promotion:${promotionId}`, promotionId };
      await insertEvent(tx, {
        ...event,
        type: 'approval.recorded',
        data: { approvalId, decision, round },
        traceId: null,
      });
      if (state === 'waiting') return;
      await closeApprovalRequest(tx, { promotionId, stepId, round, state, reason: null });
      await insertEvent(tx, {
        ...event,
        type: 'approval.closed',
        data: { state, round },
        traceId: null,
      });
    });
}

/** Writes an admitted steer as the worker's activity would: its record, and where the rollout stands then. */
export function recordSteerAsWorker(pool: Pool): NonNullable<InMemoryEngineOptions['recordSteer']> {
  return ({ tenantId, promotionId }, { steerId, stepId, action }) =>
    withTenant(pool, tenantId, async (tx) => {
      await recordSteer(tx, { steerId, round: 1, stage: 0 });
      const key = { promotionId, stepId, round: 1 };
      const at = { stage: 0, phase: 'soak' as const };
      const reason = { code: `rollout-${action}`, message: 'Somebody asked for it.' };
      if (action === 'pause') await setRolloutPosition(tx, key, { ...at, state: 'paused', reason });
      else if (action === 'abort') {
        await setRolloutPosition(tx, key, { ...at, state: 'aborted', reason });
      } else await setRolloutPosition(tx, key, { ...at, state: 'running', reason: null });
    });
}
