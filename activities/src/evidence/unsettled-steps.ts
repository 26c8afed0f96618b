import { isCourse } from '@sluice/domain';
import { listBegunSteps, type PromotionRecord, withTenant } from '@sluice/persistence';
import type { FrozenRules, InterpreterActivities } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';

type SealInput = Parameters<InterpreterActivities['sealPromotion']>[0];

/**
 * Whether a run that never came to its rules would leave what a course has done in an earlier one, before a reset: it cannot know of any
 * step that would have to be put back.
 */
export async function leavesSteps(
  { pool }: Pick<ActivityDependencies, 'pool'>,
  { promotion, state, stepsSettled }: SealInput,
  { rules, supersededBy }: PromotionRecord,
): Promise<boolean> {
  if (stepsSettled !== false || state === 'succeeded' || supersededBy !== null) return false;
  const { pipeline, undoesEarlierRuns } = (rules ?? {}) as Partial<FrozenRules>;
  if (undoesEarlierRuns !== true || pipeline === undefined || !isCourse(pipeline)) return false;
  const undone = new Set(pipeline.steps.flatMap((step) => (step.compensate ? [step.id] : [])));
  const { tenantId, promotionId } = promotion;
  const begun = await withTenant(pool, tenantId, (tx) => listBegunSteps(tx, promotionId));
  return begun.some(({ stepId }) => undone.has(stepId));
}
