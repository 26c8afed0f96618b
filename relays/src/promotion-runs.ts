import type { Tx } from '@sluice/persistence';
import { promotionWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';

/**
 * Holds whoever decides whether a promotion's workflow is begun again or a settlement ends it, until the transaction ends:
 * they take turns, so that never both come of it.
 */
export async function lockPromotionRuns(tx: Tx, promotionId: string): Promise<void> {
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('sluice.promotion-runs:' || $1, 0))`,
    [`${tx.tenantId}/${promotionId}`],
  );
}

/** True while a start or a reset of a promotion's workflow, or of its settlement, is undelivered. */
export function isRunPending(tx: Tx, promotionId: string): Promise<boolean> {
  const { tenantId } = tx;
  return isPending(
    tx,
    ['start-workflow', 'reset-workflow'],
    [promotionWorkflowId(tenantId, promotionId), settlementWorkflowId(tenantId, promotionId)],
  );
}

/** True while the start of a promotion's settlement is undelivered. */
export function isSettlementPending(tx: Tx, promotionId: string): Promise<boolean> {
  return isPending(tx, ['start-workflow'], [settlementWorkflowId(tx.tenantId, promotionId)]);
}

async function isPending(
  tx: Tx,
  kinds: readonly string[],
  workflowIds: readonly string[],
): Promise<boolean> {
  const { rows } = await tx.query<{ pending: boolean }>(
    `select exists (select from sluice.outbox
       where tenant_id = $1 and kind = any($2) and delivered_at is null and workflow_id = any($3)) as pending`,
    [tx.tenantId, kinds, workflowIds],
  );
  return rows[0]?.pending === true;
}
