import type { InMemoryEngineOptions } from '@sluice/graphql/testing';
import {
  closeApprovalRequest,
  findApprovalRequest,
  insertEvent,
  type Pool,
  recordApproval,
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
