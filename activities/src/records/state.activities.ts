import {
  getPromotionHead,
  listBegunSteps,
  listDeployments,
  type PromotionRecord,
  setPromotionState,
  setStepState,
  setStepStates,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  FAILURES,
  type InterpreterActivities,
  MAX_STEPS_A_RECORD,
  type Reason,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { runActivity } from '../run-activity.ts';
import { recordStepEvent, recordStepEvents } from '../step/settle-step.ts';
import { recordEventOf } from './promotion-event.ts';

/** `recordPromotion`, `recordStep`, `recordSteps`, `listBegunSteps` and `listDeployments`. */
export function createStateActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
): Pick<
  InterpreterActivities,
  'recordPromotion' | 'recordStep' | 'recordSteps' | 'listBegunSteps' | 'listDeployments'
> {
  return {
    recordPromotion: ({ promotion: { tenantId, promotionId }, state, reason }) =>
      runActivity(parts, 'recordPromotion', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const changed = await setPromotionState(tx, { promotionId, state, reason });
          if (!changed) return;
          await recordPromotionEvent(tx, await getPromotionHead(tx, promotionId), state, reason);
        }),
      ),

    recordStep: ({ promotion: { tenantId, promotionId }, stepId, state, reason }) =>
      runActivity(parts, 'recordStep', { tenantId, promotionId, stepId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const changed = await setStepState(tx, { promotionId, stepId, state, reason });
          if (!changed) return;
          const promotion = await getPromotionHead(tx, promotionId);
          const data = reason === null ? {} : { reason: reason.code };
          await recordStepEvent(tx, promotion, stepId, state, data);
        }),
      ),

    recordSteps: ({ promotion: { tenantId, promotionId }, steps }) =>
      runActivity(parts, 'recordSteps', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          if (steps.length > MAX_STEPS_A_RECORD) {
            throw activityFailure(
              FAILURES.invalidInput,
              `${steps.length} steps; at most ${MAX_STEPS_A_RECORD} at a time.`,
            );
          }
          const changed = new Set(await setStepStates(tx, promotionId, steps));
          if (changed.size === 0) return;
          const promotion = await getPromotionHead(tx, promotionId);
          await recordStepEvents(
            tx,
            promotion,
            steps.filter(({ stepId }) => changed.has(stepId)),
          );
        }),
      ),

    listBegunSteps: ({ promotion: { tenantId, promotionId } }) =>
      runActivity(parts, 'listBegunSteps', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, (tx) => listBegunSteps(tx, promotionId)),
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
