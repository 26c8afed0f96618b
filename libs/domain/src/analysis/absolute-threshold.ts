import type { AbsoluteThreshold } from './analysis.ts';
import { exponential } from './normal.ts';
import { meanOf, standardErrorOf } from './samples.ts';

/** Where a mean stands against its threshold; `over`/`under` by no more than noise explains are `unsure`. */
export type ThresholdFinding = 'within' | 'over' | 'under' | 'unsure-over' | 'unsure-under';

/**
 * Holds the mean of a side against absolute limits. The mean is over a limit for certain where it
 * exceeds it by as many standard errors as Student's t-test asks for at the level of this look.
 * @param sorted ascending, at least two values
 * @param criticalValue of the standard normal distribution
 */
export function judgeThreshold(
  sorted: Float64Array,
  threshold: AbsoluteThreshold,
  criticalValue: number,
): ThresholdFinding {
  const mean = meanOf(sorted);
  const error = standardErrorOf(sorted);
  const margin = error === 0 ? 0 : error * studentCriticalValue(criticalValue, sorted.length - 1);
  if (threshold.max !== undefined && mean > threshold.max) {
    return mean - threshold.max > margin ? 'over' : 'unsure-over';
  }
  if (threshold.min !== undefined && mean < threshold.min) {
    return threshold.min - mean > margin ? 'under' : 'unsure-under';
  }
  return 'within';
}

/**
 * The t with as many degrees of freedom that has the tail of a standard normal `z`: the inverse of
 * Wallace's approximation ("Bounds on normal approximations to Student's and the chi-square
 * distributions", Ann. Math. Stat. 30, 1959).
 */
export function studentCriticalValue(z: number, freedom: number): number {
  const corrected = (z * (8 * freedom + 3)) / (8 * freedom + 1);
  return Math.sqrt(freedom * (exponential((corrected * corrected) / freedom) - 1));
}
