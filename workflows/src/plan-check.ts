import type { Reason } from '@sluice/temporal-contract';
import { CancelledFailure } from '@temporalio/workflow';
import { controlWithin } from './activity-classes.ts';
import { meaningOfFailure } from './failure-reason.ts';
import type { PromotionRun } from './promotion-run.ts';

/** Names in a message; the rest is counted. */
const SHOWN = 5;

/** What came of looking at the plans again; null when they still hold. */
export type PlanAnswer =
  | { readonly kind: 'stale' | 'failed'; readonly reason: Reason }
  /** Nobody could say within the time that was given. */
  | { readonly kind: 'deadline'; readonly reason: Reason }
  | null;

/**
 * Asks whether the plan set is what would be planned now.
 * @throws CancelledFailure when the run is stopped meanwhile
 */
export async function findStalePlans(
  run: PromotionRun,
  planDigest: string,
  withinSeconds: number,
): Promise<PlanAnswer> {
  const { promotion } = run.input;
  try {
    const { stale } = await controlWithin(withinSeconds).checkPlans({ promotion, planDigest });
    // An attempt is waited for, cancelled or not: a run that was stopped meanwhile goes no further.
    if (run.stopCause !== undefined) throw new CancelledFailure('The run was stopped.');
    return stale.length === 0 ? null : { kind: 'stale', reason: staleReason(stale) };
  } catch (error) {
    const meaning = meaningOfFailure(error, 'plan-check', 'Check of the plans', withinSeconds);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    const { kind, reason } = meaning;
    return kind === 'deadline' ? { kind, reason } : { kind: 'failed', reason };
  }
}

/** Why plans are made again. */
export function staleReason(targets: readonly string[]): Reason {
  const more = targets.length > SHOWN ? ` and ${targets.length - SHOWN} more` : '';
  return {
    code: 'plan-stale',
    message: `Changed since the plan was made: ${targets.slice(0, SHOWN).join(', ')}${more}.`,
  };
}
