import { isPromotionEnd, traceIdOf } from '@sluice/domain';
import {
  enqueueOutbox,
  getPromotion,
  insertEvent,
  type OpenPromotionRecord,
  type Pool,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  promotionWorkflowId,
  type Reason,
  type SettlePromotionInput,
  settlementWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import type { WorkflowState } from './engine.ts';
import { isRunPending, lockPromotionRuns } from './promotion-runs.ts';

/**
 * Asks for the end of a promotion whose workflow is gone, in one transaction with the event `promotion.abandoned`, which
 * is written once however often a settlement has to be started again. All is looked at again under the lock that resets take.
 * @param pool of the role sluice_worker
 * @param findWorkflowState asked for the state of the promotion's own workflow
 * @returns false when it has ended meanwhile, its workflow runs, or a start or reset is on its way
 */
export async function abandonPromotion(
  pool: Pool,
  findWorkflowState: (workflowId: string) => Promise<WorkflowState>,
  { tenantId, promotionId }: Pick<OpenPromotionRecord, 'tenantId' | 'promotionId'>,
): Promise<boolean> {
  return withTenant(pool, tenantId, async (tx) => {
    // Two watchdogs that find it at the same moment take turns, and so does the delivery of a reset.
    await lockPromotionRuns(tx, promotionId);
    const promotion = await getPromotion(tx, promotionId);
    if (isPromotionEnd(promotion.state)) return false;
    // In this order: what is delivered between the two looks is seen by the second.
    if (await isRunPending(tx, promotionId)) return false;
    const workflow = await findWorkflowState(promotionWorkflowId(tenantId, promotionId));
    if (workflow === 'running') return false;
    const reason = reasonOf(tenantId, promotion, workflow);
    if (!(await wasAbandoned(tx, promotionId))) {
      await insertEvent(tx, {
        type: 'promotion.abandoned',
        actor: 'system:watchdog',
        subject: `promotion:${promotionId}`,
        promotionId,
        data: { state: promotion.state, workflow, reason: reason.code },
        traceId: traceIdOf(promotion.traceparent) ?? null,
      });
    }
    await enqueueSettlement(tx, promotion, reason);
    return true;
  });
}

async function enqueueSettlement(
  tx: Tx,
  { promotionId, environment, releaseDigest, kind, traceparent }: PromotionRecord,
  reason: Reason,
): Promise<void> {
  const { tenantId } = tx;
  const promotion = { tenantId, promotionId };
  const input: SettlePromotionInput = {
    promotion,
    environment,
    releaseDigest,
    kind,
    traceparent,
    reason,
  };
  await enqueueOutbox(tx, {
    kind: 'start-workflow',
    body: {
      workflowId: settlementWorkflowId(tenantId, promotionId),
      workflowType: WORKFLOWS.settlePromotion,
      taskQueue: TASK_QUEUES.control,
      input,
      searchAttributes: { tenant: tenantId, environment, release: releaseDigest },
      restart: 'after-failure',
    },
  });
}

function reasonOf(
  tenantId: string,
  { promotionId, supersededBy }: PromotionRecord,
  workflow: Exclude<WorkflowState, 'running'>,
): Reason {
  if (supersededBy !== null) {
    return {
      code: 'superseded',
      message: `Rollback ${supersededBy} took the lease from it, and its workflow was ended.`,
    };
  }
  const workflowId = promotionWorkflowId(tenantId, promotionId);
  const what = workflow === 'closed' ? 'is over' : 'is not known to the engine';
  return {
    code: 'promotion-abandoned',
    message: `Its workflow ${workflowId} ${what} although the promotion had not ended; look for who terminated it, and promote again.`,
  };
}

async function wasAbandoned(tx: Tx, promotionId: string): Promise<boolean> {
  const { rows } = await tx.query<{ found: boolean }>(
    `select exists (select from sluice.events
       where tenant_id = $1 and promotion_id = $2 and type = 'promotion.abandoned') as found`,
    [tx.tenantId, promotionId],
  );
  return rows[0]?.found === true;
}
