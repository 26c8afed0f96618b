import {
  assertPromotionOpen,
  findPlanSet,
  getPromotion,
  insertEffect,
  setStepState,
  withTenant,
} from '@sluice/persistence';
import { FAILURES, type InterpreterActivities } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { runActivity } from '../run-activity.ts';
import { recordStepEvent } from '../step/settle-step.ts';
import { planTargets } from './target-plans.ts';

/** Step id under which it is kept that steps were reopened; it belongs to no step of the pipeline. */
const REOPEN = 'reopen';

/** `checkPlans` and `reopenSteps`: how a plan becomes stale, and the way back. */
export function createStalePlanActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
): Pick<InterpreterActivities, 'checkPlans' | 'reopenSteps'> {
  return {
    checkPlans: ({ promotion: { tenantId, promotionId }, planDigest }) =>
      runActivity(parts, 'checkPlans', { tenantId, promotionId }, () =>
        withTenant(
          parts.pool,
          tenantId,
          async (tx) => {
            const promotion = await getPromotion(tx, promotionId);
            const set = await findPlanSet(tx, promotionId);
            if (set?.digest !== planDigest) {
              throw activityFailure(
                FAILURES.integrity,
                `The newest plan of ${promotionId} is ${set?.digest ?? 'none'}, not ${planDigest}.`,
              );
            }
            const stored = new Map(set.body.plans.map(({ target, plan }) => [target, plan]));
            const planned = await planTargets(tx, promotion, [...stored.keys()]);
            const stale = planned
              .filter((now) => !now.known || now.digest !== stored.get(now.target))
              .map(({ target }) => target);
            return { stale: stale.sort() };
          },
          { isolation: 'repeatable read', readOnly: true },
        ),
      ),

    reopenSteps: ({ promotion: { tenantId, promotionId }, stepIds, reason }) =>
      runActivity(parts, 'reopenSteps', { tenantId, promotionId }, (_log, { runId, activityId }) =>
        withTenant(parts.pool, tenantId, async (tx) => {
          await assertPromotionOpen(tx, promotionId);
          // An attempt that was given up may come late: it must not send back steps that run again already.
          const { inserted } = await insertEffect(tx, {
            idempotencyKey: `${promotionId}/${REOPEN}/${runId}/${activityId}`,
            promotionId,
            stepId: REOPEN,
            result: { steps: stepIds },
          });
          if (!inserted) return;
          const promotion = await getPromotion(tx, promotionId);
          for (const stepId of stepIds) {
            const changed = await setStepState(tx, {
              promotionId,
              stepId,
              state: 'pending',
              reason,
            });
            if (changed) {
              await recordStepEvent(tx, promotion, stepId, 'pending', { reason: reason.code });
            }
          }
          const data = { steps: stepIds, reason: reason.code };
          await recordEventOf(tx, 'plan.stale', promotion, data);
        }),
      ),
  };
}
