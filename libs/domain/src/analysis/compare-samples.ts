import type { EffectRules, MetricDirection, SampleShift } from './analysis.ts';
import { largestStatistic, mannWhitney, tiedValues } from './mann-whitney.ts';
import { sampleShift } from './sample-shift.ts';
import { isSameSamples, meanOf } from './samples.ts';

/**
 * The part of the estimated shift that the near end of its interval must reach, as in Kayenta's
 * `NetflixACAJudge`: a shift that is merely not zero is no deviation.
 */
export const SHIFT_TOLERANCE = 0.25;

/** What a comparison goes by. */
export interface ComparisonRules {
  readonly direction: MetricDirection;
  readonly effect: EffectRules;
  /** |z| from which the samples differ. */
  readonly criticalValue: number;
  /** {@link SHIFT_TOLERANCE} but for tests against published cases. */
  readonly tolerance: number;
}

/** A canary against its baseline. */
export interface SampleComparison {
  readonly class: 'pass' | 'high' | 'low';
  readonly code:
    | 'no-deviation'
    | 'samples-equal'
    | 'within-effect'
    | 'above-baseline'
    | 'below-baseline';
  /** A deviation that is as large as the critical effect, or whose ratio cannot be told. */
  readonly reachesCritical: boolean;
  readonly ratio: number | null;
  readonly shift: SampleShift;
  readonly superiority: number;
  readonly z: number;
  readonly pValue: number;
}

/**
 * Compares as Kayenta's `MannWhitneyClassifier`: the canary is high where (1) the test tells the
 * samples apart at the critical value, (2) the near end of the shift's interval is at least the
 * tolerated part of the estimate, and (3) the ratio of the means reaches the allowed effect; (3)
 * counts as reached where a mean is 0. Low is the mirror image.
 *
 * Two differences, neither of which changes a published case: samples of one value each are
 * compared as they are, where Kayenta adds random noise; and in (2) a near end of exactly 0 is
 * enough. A sample that the test tells apart has its interval end at 0 only where so many values
 * are tied (error rates that are mostly 0) that the interval cannot resolve the shift; Kayenta
 * goes there by the rest that its root finding leaves.
 * @param canary ascending, at least one value
 * @param baseline ascending, at least one value
 */
export function compareSamples(
  canary: Float64Array,
  baseline: Float64Array,
  rules: ComparisonRules,
): SampleComparison {
  const own = tiedValues(canary);
  const others = tiedValues(baseline);
  const test = mannWhitney(own, others);
  const shift = sampleShift(own, others, rules.criticalValue);
  const ratio = meanRatio(canary, baseline);
  const facts = { ratio, shift, ...pick(test) };
  const isSame = isSameSamples(canary, baseline) || isOneValue(canary, baseline);
  if (isSame) return { class: 'pass', code: 'samples-equal', reachesCritical: false, ...facts };

  const { direction, effect, criticalValue } = rules;
  const tolerated = rules.tolerance * Math.abs(shift.estimate);
  const isHigher =
    direction !== 'decrease' && test.z >= criticalValue && isClear(shift.lower, tolerated);
  const isLower =
    direction !== 'increase' && test.z <= -criticalValue && isClear(-shift.upper, tolerated);
  if (isHigher && (ratio === null || ratio >= (effect.allowedIncrease ?? 1))) {
    const reachesCritical = ratio === null || ratio >= (effect.criticalIncrease ?? 1);
    return { class: 'high', code: 'above-baseline', reachesCritical, ...facts };
  }
  if (isLower && (ratio === null || ratio <= (effect.allowedDecrease ?? 1))) {
    const reachesCritical = ratio === null || ratio <= (effect.criticalDecrease ?? 1);
    return { class: 'low', code: 'below-baseline', reachesCritical, ...facts };
  }
  const code = isHigher || isLower ? 'within-effect' : 'no-deviation';
  return { class: 'pass', code, reachesCritical: false, ...facts };
}

/** Whether samples of these sizes could differ at all at this critical value. */
export function canDiffer(
  canaryCount: number,
  baselineCount: number,
  criticalValue: number,
): boolean {
  return largestStatistic(canaryCount, baselineCount) >= criticalValue;
}

function isClear(nearEnd: number, tolerated: number): boolean {
  return nearEnd >= tolerated || nearEnd === 0;
}

function meanRatio(canary: Float64Array, baseline: Float64Array): number | null {
  const own = meanOf(canary);
  const other = meanOf(baseline);
  if (own === 0 || other === 0) return null;
  const ratio = own / other;
  return Number.isFinite(ratio) ? ratio : null;
}

function isOneValue(canary: Float64Array, baseline: Float64Array): boolean {
  const value = canary[0];
  return [canary, baseline].every((side) => side[0] === value && side[side.length - 1] === value);
}

function pick({ superiority, z, pValue }: ReturnType<typeof mannWhitney>) {
  return { superiority, z, pValue };
}
