import { DifferenceResolver } from './difference.resolver.ts';
import { PlanSideResolver, TargetPlanResolver } from './target-plan.resolver.ts';

export { type DifferenceView, loadDifference } from './load-difference.ts';

/** Resolvers of `Difference` and what hangs on it. */
export const DIFFERENCE_RESOLVERS = [
  DifferenceResolver,
  PlanSideResolver,
  TargetPlanResolver,
] as const;
