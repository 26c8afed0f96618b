import { traceIdOf } from '@sluice/domain';
import {
  findPromotion,
  insertEvent,
  type OutboxRecord,
  type Pool,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { promotionOfWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';
import type { Engine } from './engine.ts';
import { isSettlementPending, lockPromotionRuns } from './promotion-runs.ts';

/** A message that asks for a reset. */
export type ResetMessage = Extract<OutboxRecord, { readonly kind: 'reset-workflow' }>;

/** Why a reset is not done (any more), in words for people. */
export interface ResetObstacle {
  readonly code: 'promotion-sealed' | 'promotion-settling' | 'run-superseded' | 'reset-impossible';
  readonly message: string;
}

/**
 * What keeps a promotion from being reset that was to be when it was asked for: it was sealed, or a settlement ends it or is
 * about to. None is asked for after this: that looks for an undelivered reset under the same lock.
 * @param pool of the role sluice_worker
 */
export async function findResetObstacle(
  pool: Pool,
  engine: Pick<Engine, 'findWorkflowState'>,
  { tenantId, body: { workflowId } }: ResetMessage,
): Promise<ResetObstacle | undefined> {
  const promotionId = promotionOfWorkflowId(tenantId, workflowId);
  if (promotionId === undefined) return undefined;
  const settlementId = settlementWorkflowId(tenantId, promotionId);
  const isPending = await withTenant(pool, tenantId, async (tx) => {
    await lockPromotionRuns(tx, promotionId);
    return isSettlementPending(tx, promotionId);
  });
  // Asked for before the seal is looked for: a settlement that ends meanwhile has sealed it. And after the outbox: one that
  // is delivered meanwhile runs.
  const isSettling = isPending || (await engine.findWorkflowState(settlementId)) === 'running';
  if (isSettling && settlementId !== workflowId) {
    const message = `A settlement ends promotion ${promotionId}; promote the release again.`;
    return { code: 'promotion-settling', message };
  }
  const promotion = await withTenant(pool, tenantId, (tx) => findPromotion(tx, promotionId));
  if (promotion === undefined || promotion.packetDigest === null) return undefined;
  const message = `Promotion ${promotionId} was sealed meanwhile; promote the release again.`;
  return { code: 'promotion-sealed', message };
}

/** Writes, once, that a workflow was reset. */
export function recordReset(pool: Pool, message: ResetMessage, newRunId: string): Promise<void> {
  const { runId, eventId, reason, requestId } = message.body;
  const data = { request: requestId, event: eventId, run: runId, newRun: newRunId, reason };
  return recordOnce(pool, message, 'promotion.reset', data);
}

/** Writes, once, that a workflow was not reset although it was asked for. */
export function recordResetRefusal(
  pool: Pool,
  message: ResetMessage,
  { code, message: text }: ResetObstacle,
): Promise<void> {
  const { runId, eventId, requestId } = message.body;
  const data = {
    request: requestId,
    event: eventId,
    run: runId,
    refusal: 'reset',
    code,
    message: text,
  };
  return recordOnce(pool, message, 'request.refused', data);
}

async function recordOnce(
  pool: Pool,
  { tenantId, body: { workflowId, requestId } }: ResetMessage,
  type: 'promotion.reset' | 'request.refused',
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  const promotionId = promotionOfWorkflowId(tenantId, workflowId);
  await withTenant(pool, tenantId, async (tx) => {
    // Two relays that deliver the same message in the same moment take turns.
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('sluice.reset:' || $1, 0))`, [
      requestId,
    ]);
    const promotion = promotionId === undefined ? undefined : await findPromotion(tx, promotionId);
    if (await wasRecorded(tx, promotion, requestId, type)) return;
    await insertEvent(tx, {
      type,
      actor: 'system:relay',
      subject: promotion === undefined ? `workflow:${workflowId}` : `promotion:${promotionId}`,
      promotionId: promotion?.promotionId ?? null,
      data,
      traceId: promotion === undefined ? null : (traceIdOf(promotion.traceparent) ?? null),
    });
  });
}

async function wasRecorded(
  tx: Tx,
  promotion: PromotionRecord | undefined,
  requestId: string,
  type: string,
): Promise<boolean> {
  if (promotion === undefined) return false;
  const { rows } = await tx.query<{ found: boolean }>(
    `select exists (select from sluice.events
       where tenant_id = $1 and promotion_id = $2 and type = $3 and data ->> 'request' = $4) as found`,
    [tx.tenantId, promotion.promotionId, type, requestId],
  );
  return rows[0]?.found === true;
}
