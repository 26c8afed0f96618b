import { byCodeUnits, commonSide, type Plan, type PlanSide } from '@sluice/domain';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { differenceLoadersOf } from './difference-loaders.ts';

/** One target's plan with its digest. */
export interface PlannedTarget {
  readonly target: string;
  readonly planDigest: string;
  readonly plan: Plan;
}

/** What runs there against what would run; what hangs on it is resolved apart. */
export interface DifferenceView {
  readonly promotionId: string;
  /** What runs on most of the targets; null when they are empty. */
  readonly current: PlanSide | null;
  /** Null empties the targets. */
  readonly desired: PlanSide | null;
  /** By target name. */
  readonly targets: readonly PlannedTarget[];
}

/**
 * The difference that a promotion makes, by its newest plan set; by the plans of its deployments where it has no plan
 * set. Null before there is a plan.
 * @param planSet digest of the plan set to show instead of the newest: the one that an approval names
 * @throws Error when the plan set, or a plan that it names, is not there
 */
export async function loadDifference(
  context: GraphqlContext,
  promotionId: string,
  planSet?: string,
): Promise<DifferenceView | null> {
  const named = await listPlans(context, promotionId, planSet);
  if (named.length === 0) return null;
  const loaders = differenceLoadersOf(context);
  const targets = await Promise.all(
    named.map(async ({ target, planDigest }) => {
      const plan = await loaders.plan(planDigest);
      if (plan !== undefined) return { target, planDigest, plan };
      throw new Error(`Plan ${planDigest} of ${promotionId} is named, but is not there.`);
    }),
  );
  targets.sort((a, b) => byCodeUnits(a.target, b.target));
  return {
    promotionId,
    current: commonSide(targets.map(({ plan }) => plan.current)),
    desired: commonSide(targets.map(({ plan }) => plan.desired)),
    targets,
  };
}

async function listPlans(
  context: GraphqlContext,
  promotionId: string,
  planSet: string | undefined,
): Promise<readonly { readonly target: string; readonly planDigest: string }[]> {
  const rounds = await differenceLoadersOf(context).planSetsOf(promotionId);
  // Oldest round first.
  const newest = rounds.findLast(({ digest }) => planSet === undefined || digest === planSet);
  if (newest !== undefined) {
    return newest.body.plans.map(({ target, plan }) => ({ target, planDigest: plan }));
  }
  if (planSet === undefined) return context.loaders.deploymentsOf(promotionId);
  throw new Error(`Plan set ${planSet} of ${promotionId} is named, but is not there.`);
}
