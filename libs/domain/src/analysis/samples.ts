import type { NanStrategy, SampleStatistics } from './analysis.ts';

/** Beyond it a value counts as this one: its rank is kept, and no sum or square overflows. */
const LARGEST_VALUE = 1e100;

/** One side, ready to be judged. */
export interface PreparedSamples {
  /** Ascending. */
  readonly sorted: Float64Array;
  /** Points that were numbers. */
  readonly real: number;
  /** Points that were none. */
  readonly missing: number;
}

/** Applies the NaN strategy and sorts. Whatever is no finite number is a point without a value. */
export function prepareSamples(
  points: readonly (number | null)[],
  strategy: NanStrategy,
): PreparedSamples {
  const values: number[] = [];
  let missing = 0;
  for (const point of points) {
    if (typeof point === 'number' && Number.isFinite(point)) {
      // The sum makes one zero of both.
      values.push(Math.max(-LARGEST_VALUE, Math.min(LARGEST_VALUE, point)) + 0);
    } else {
      missing += 1;
      if (strategy === 'replace') values.push(0);
    }
  }
  const real = points.length - missing;
  return { sorted: Float64Array.from(values).sort(), real, missing };
}

/** Describes one side. */
export function statisticsOf({ sorted, missing }: PreparedSamples): SampleStatistics {
  const count = sorted.length;
  const min = sorted[0];
  const max = sorted[count - 1];
  if (min === undefined || max === undefined) {
    return { count, missing, mean: null, median: null, min: null, max: null };
  }
  const upper = sorted[count >> 1] as number;
  const lower = sorted[(count - 1) >> 1] as number;
  return { count, missing, mean: meanOf(sorted), median: lower + (upper - lower) / 2, min, max };
}

/**
 * Mean of a side that has values. Sorted values give the same bits whatever order they came in;
 * with Neumaier's compensation equal values give exactly that value.
 */
export function meanOf(sorted: Float64Array): number {
  let sum = 0;
  let lost = 0;
  for (const value of sorted) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  const mean = (sum + lost) / sorted.length;
  const min = sorted[0] as number;
  const max = sorted[sorted.length - 1] as number;
  return Math.max(min, Math.min(max, mean));
}

/** Standard error of the mean; 0 where all values are equal or there is one only. */
export function standardErrorOf(sorted: Float64Array): number {
  const count = sorted.length;
  if (count < 2) return 0;
  const mean = meanOf(sorted);
  let squares = 0;
  for (const value of sorted) squares += (value - mean) * (value - mean);
  return Math.sqrt(squares / (count - 1) / count);
}

/** Whether both sides have the same values. */
export function isSameSamples(one: Float64Array, other: Float64Array): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
