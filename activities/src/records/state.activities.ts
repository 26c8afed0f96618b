import {
  getPromotion,
  listDeployments,
  type PromotionRecord,
  setPromotionState,
  setStepState,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import type { InterpreterActivities, Reason } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { runActivity } from '../run-activity.ts';
import { recordStepEvent } from '../step/settle-step.ts';
import { recordEventOf } from './promotion-event.ts';

/** `recordPromotion`, `recordStep` and `listDeployments`. */
export function createStateActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
): Pick<InterpreterActivities, 'recordPromotion' | 'recordStep' | 'listDeployments'> {
  return {
    recordPromotion: ({ promotion: { tenantId, promotionId }, state, reason }) =>
      runActivity(parts, 'recordPromotion', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const changed = await setPromotionState(tx, { promotionId, state, reason });
          if (!changed) return;
          await recordPromotionEvent(tx, await getPromotion(tx, promotionId), state, reason);
        }),
      ),

    recordStep: ({ promotion: { tenantId, promotionId }, stepId, state, reason }) =>
      runActivity(parts, 'recordStep', { tenantId, promotionId, stepId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const changed = await setStepState(tx, { promotionId, stepId, state, reason });
          if (!changed) return;
          const promotion = await getPromotion(tx, promotionId);
          const data = reason === null ? {} : { reason: reason.code };
          await recordStepEvent(tx, promotion, stepId, state, data);
        }),
      ),

    listDeployments: ({ promotion: { tenantId, promotionId } }) =>
      runActivity(parts, 'listDeployments', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) =>
          (await listDeployments(tx, promotionId))
            .filter(({ state }) => state !== 'planned')
            .map(({ target }) => target)
            .sort(),
        ),
      ),
  };
}

/** Writes the audit event of a promotion's change of state. */
export async function recordPromotionEvent(
  tx: Tx,
  promotion: PromotionRecord,
  state: string,
  reason: Reason | null,
  data: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const why = reason === null ? {} : { reason: reason.code };
  await recordEventOf(tx, 'promotion.state-changed', promotion, { state, ...why, ...data });
}

/** Changes the promotion's state with its event, unless it is there already. */
export async function enterPromotionState(
  tx: Tx,
  promotion: PromotionRecord,
  state: 'running' | 'waiting',
): Promise<void> {
  const { promotionId } = promotion;
  if (await setPromotionState(tx, { promotionId, state })) {
    await recordPromotionEvent(tx, promotion, state, null);
  }
}
