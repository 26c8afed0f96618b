import { composePlanSet } from '@sluice/domain';
import { insertPlanSet, insertPlans, upsertDeployments, withTenant } from '@sluice/persistence';
import { NOTHING_DIGEST, planSetDigest } from '@sluice/pure';
import type { ActivityDependencies } from '../dependencies.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { releaseNotMade } from '../release/release-not-made.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { planTargets, type TargetPlan } from './target-plans.ts';

/**
 * `plan@1`: what each target would change, stored, with the plan set over all of them as its output `plan`. A target on
 * which a release runs that no record knows fails the step: a plan that could not be put back is none.
 */
export function createPlanStep(parts: Pick<ActivityDependencies, 'pool'>): StepType {
  return {
    type: 'plan',
    version: 1,
    run: (run) => plan(parts, run),
  };
}

type KnownPlan = Extract<TargetPlan, { known: true }>;

async function plan(
  { pool }: Pick<ActivityDependencies, 'pool'>,
  { input, promotion, rules, log }: StepRun,
): Promise<StepOutcome> {
  const { tenantId, promotionId } = input.promotion;
  const round = input.round ?? 1;
  if (promotion.kind === 'promote' && promotion.releaseDigest === NOTHING_DIGEST) {
    return { result: releaseNotMade(promotionId) };
  }
  const planned = await withTenant(
    pool,
    tenantId,
    (tx) => planTargets(tx, promotion, rules.targets),
    {
      isolation: 'repeatable read',
      readOnly: true,
    },
  );
  const unknown = planned.find((target) => !target.known);
  if (unknown !== undefined && !unknown.known) {
    return {
      result: failedResult(
        'target-state-unknown',
        `The agent of ${unknown.target} says that ${unknown.unknown} is active there, and no record tells how it ` +
          'came there: roll the environment back, or empty the target, then promote again.',
      ),
    };
  }
  const plans = planned.filter((target): target is KnownPlan => target.known);
  const planSet = composePlanSet(
    promotionId,
    promotion.releaseDigest,
    plans.map(({ target, digest }) => ({ target, plan: digest })),
  );
  const digest = planSetDigest(planSet);
  log.info({ plan: digest, round }, 'planned');
  return {
    result: succeededResult({ plan: digest }),
    record: async (tx) => {
      await insertPlans(
        tx,
        plans.map(({ plan: body }) => body),
      );
      const parts = plans.map(({ target, digest: planDigest }) => ({ target, planDigest }));
      await upsertDeployments(tx, promotionId, parts);
      await insertPlanSet(tx, { promotionId, round, planSet });
      const data = { plan: digest, round, targets: plans.length };
      await recordEventOf(tx, 'plan.made', promotion, data);
    },
  };
}
