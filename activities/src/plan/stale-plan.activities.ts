import {
  assertPromotionOpen,
  findPlanSet,
  getPromotion,
  insertEffect,
  listDeployments,
  listStepsById,
  type PromotionRecord,
  setStepStates,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { FAILURES, type InterpreterActivities, type Reason } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { runActivity } from '../run-activity.ts';
import { recordStepEvents } from '../step/settle-step.ts';
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
            const done = promotion.rules?.form === 3 ? await findTouched(tx, promotionId) : NONE;
            const open = [...stored.keys()].filter((target) => !done.has(target));
            const planned = await planTargets(tx, promotion, open);
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
          await reopen(tx, promotion, stepIds, reason);
          const data = { steps: stepIds, reason: reason.code };
          await recordEventOf(tx, 'plan.stale', promotion, data);
        }),
      ),
  };
}

async function reopen(
  tx: Tx,
  promotion: PromotionRecord,
  stepIds: readonly string[],
  reason: Reason,
): Promise<void> {
  const { promotionId } = promotion;
  const known = await listStepsById(tx, promotionId, stepIds);
  const pending = new Set(
    known.filter(({ state }) => state === 'pending').map(({ stepId }) => stepId),
  );
  const changes = stepIds
    .filter((stepId) => !pending.has(stepId))
    .map((stepId) => ({ stepId, state: 'pending' as const, reason }));
  const changed = new Set(await setStepStates(tx, promotionId, changes));
  const left = changes.find(({ stepId }) => !changed.has(stepId));
  if (left !== undefined) {
    throw activityFailure(
      FAILURES.illegalTransition,
      `Step ${left.stepId} of ${promotionId} cannot become pending: it runs, or has ended for good.`,
    );
  }
  await recordStepEvents(tx, promotion, changes);
}

const NONE: ReadonlySet<string> = new Set();

/** Targets that an earlier step of this promotion went to: what it changed itself makes no plan stale. */
async function findTouched(tx: Tx, promotionId: string): Promise<ReadonlySet<string>> {
  const touched = (await listDeployments(tx, promotionId)).filter(
    ({ state }) => state !== 'planned' && state !== 'refused',
  );
  return new Set(touched.map(({ target }) => target));
}
