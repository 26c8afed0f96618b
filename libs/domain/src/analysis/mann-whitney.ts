import { normalUpperTail } from './normal.ts';

/** The values of a side without repetition, ascending, and how often each occurs. */
export interface TiedValues {
  readonly values: Float64Array;
  readonly counts: Float64Array;
  readonly total: number;
}

/** Result of a Mann–Whitney test of a canary against a baseline. */
export interface MannWhitneyTest {
  /** Pairs in which the canary's value is the higher one, ties half (R's W). */
  readonly u: number;
  /** `u` over all pairs: 0.5 is no effect (Vargha and Delaney's A). */
  readonly superiority: number;
  /** Standardised, corrected for ties and continuity; above 0 where the canary is higher. */
  readonly z: number;
  /** Two-sided. */
  readonly pValue: number;
}

/**
 * Makes {@link TiedValues}.
 * @param sorted ascending
 */
export function tiedValues(sorted: Float64Array): TiedValues {
  const values = new Float64Array(sorted.length);
  const counts = new Float64Array(sorted.length);
  let last = -1;
  for (const value of sorted) {
    if (last < 0 || values[last] !== value) {
      last += 1;
      values[last] = value;
    }
    counts[last] = (counts[last] as number) + 1;
  }
  return {
    values: values.subarray(0, last + 1),
    counts: counts.subarray(0, last + 1),
    total: sorted.length,
  };
}

/**
 * The rank-sum test of Mann and Whitney (1947) in its normal approximation, with the corrections
 * for ties and continuity that R's `wilcox.test(exact = FALSE)` and Kayenta make.
 * @param canary at least one value
 * @param baseline at least one value
 */
export function mannWhitney(canary: TiedValues, baseline: TiedValues): MannWhitneyTest {
  const pairs = canary.total * baseline.total;
  const { u, ties } = countPairs(canary, baseline, 0);
  const z = standardised(u, ties, canary.total, baseline.total);
  return { u, superiority: u / pairs, z, pValue: Math.min(1, 2 * normalUpperTail(Math.abs(z))) };
}

/**
 * The statistic of the canary moved down by `shift`.
 * @returns as {@link MannWhitneyTest.z}
 */
export function shiftedStatistic(canary: TiedValues, baseline: TiedValues, shift: number): number {
  const { u, ties } = countPairs(canary, baseline, shift);
  return standardised(u, ties, canary.total, baseline.total);
}

/** The |z| of two samples of these sizes that do not overlap and have no ties: none is larger. */
export function largestStatistic(canaryCount: number, baselineCount: number): number {
  const pairs = canaryCount * baselineCount;
  return pairs === 0 ? 0 : standardised(pairs, 0, canaryCount, baselineCount);
}

function standardised(u: number, ties: number, canaryCount: number, baselineCount: number): number {
  const pairs = canaryCount * baselineCount;
  const all = canaryCount + baselineCount;
  const variance = (pairs / 12) * (all + 1 - ties / (all * (all - 1)));
  const distance = u - pairs / 2;
  const corrected = Math.abs(distance) - 0.5;
  if (!(variance > 0) || corrected <= 0) return 0;
  return ((distance < 0 ? -1 : 1) * corrected) / Math.sqrt(variance);
}

/** Pairs (canary − baseline > shift, and half where equal) and the sum of t³ − t over tied groups. */
function countPairs(
  canary: TiedValues,
  baseline: TiedValues,
  shift: number,
): { readonly u: number; readonly ties: number } {
  let u = 0;
  let ties = 0;
  let index = 0;
  let below = 0;
  for (let own = 0; own < canary.values.length; own += 1) {
    const value = canary.values[own] as number;
    const count = canary.counts[own] as number;
    while (index < baseline.values.length && value - (baseline.values[index] as number) > shift) {
      const passed = baseline.counts[index] as number;
      below += passed;
      ties += cubeExcess(passed);
      index += 1;
    }
    let equal = 0;
    if (index < baseline.values.length && value - (baseline.values[index] as number) === shift) {
      equal = baseline.counts[index] as number;
      below += equal;
      index += 1;
      u -= (count * equal) / 2;
    }
    ties += cubeExcess(count + equal);
    u += count * below;
  }
  for (; index < baseline.counts.length; index += 1) {
    ties += cubeExcess(baseline.counts[index] as number);
  }
  return { u, ties };
}

function cubeExcess(count: number): number {
  return count * count * count - count;
}
