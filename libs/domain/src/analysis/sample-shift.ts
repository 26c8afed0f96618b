import type { SampleShift } from './analysis.ts';
import { shiftedStatistic, type TiedValues } from './mann-whitney.ts';

/** Halvings of the range of differences: what is left is below the precision of a difference. */
const HALVINGS = 56;

/**
 * By how much the canary is shifted against the baseline: the median of all differences of a pair
 * (Hodges and Lehmann, 1963), and the interval of shifts that the Mann–Whitney test would not
 * reject at this critical value, as R's `wilcox.test(conf.int = TRUE)` and Kayenta find it. The
 * differences are never listed: each bound is found by halving, in time proportional to the
 * number of values.
 *
 * Where ties make the interval empty (nearly all values are the same one), both bounds are the
 * shift at which the statistic changes its sign.
 * @param canary at least one value
 * @param baseline at least one value
 * @param criticalValue |z| from which a shift is rejected
 */
export function sampleShift(
  canary: TiedValues,
  baseline: TiedValues,
  criticalValue: number,
): SampleShift {
  const pairs = canary.total * baseline.total;
  const below = differenceAt(canary, baseline, Math.ceil(pairs / 2));
  const above = pairs % 2 === 1 ? below : differenceAt(canary, baseline, pairs / 2 + 1);
  return {
    estimate: below + (above - below) / 2,
    lower: firstDifference(
      canary,
      baseline,
      (shift) => shiftedStatistic(canary, baseline, shift) <= criticalValue,
    ),
    upper: firstDifference(
      canary,
      baseline,
      (shift) => shiftedStatistic(canary, baseline, shift) <= -criticalValue,
    ),
  };
}

/** The difference at a place in their ascending order, from 1. */
function differenceAt(canary: TiedValues, baseline: TiedValues, place: number): number {
  return firstDifference(canary, baseline, (shift) => countUpTo(canary, baseline, shift) >= place);
}

/** The smallest difference from which on `holds` is true; the largest where it never is. */
function firstDifference(
  canary: TiedValues,
  baseline: TiedValues,
  holds: (shift: number) => boolean,
): number {
  let low = first(canary) - last(baseline);
  let high = last(canary) - first(baseline);
  if (holds(low)) return low;
  for (let step = 1; step <= HALVINGS; step += 1) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    if (holds(middle)) high = middle;
    else low = middle;
    if (step % 4 !== 0 || step < 8) continue;
    // What is sought changes at a difference: with one left between the bounds, it is that one.
    const only = largestUpTo(canary, baseline, high);
    if (only <= low || largestUpTo(canary, baseline, only, true) < low) return only;
  }
  return largestUpTo(canary, baseline, high);
}

function countUpTo(canary: TiedValues, baseline: TiedValues, shift: number): number {
  let count = 0;
  let index = 0;
  let beyond = 0;
  for (let own = 0; own < canary.values.length; own += 1) {
    const value = canary.values[own] as number;
    while (index < baseline.values.length && value - (baseline.values[index] as number) > shift) {
      beyond += baseline.counts[index] as number;
      index += 1;
    }
    count += (canary.counts[own] as number) * (baseline.total - beyond);
  }
  return count;
}

/** The largest difference of at most `shift`, or of less than it. */
function largestUpTo(
  canary: TiedValues,
  baseline: TiedValues,
  shift: number,
  isBelow = false,
): number {
  let largest = first(canary) - last(baseline);
  let index = 0;
  for (const value of canary.values) {
    for (; index < baseline.values.length; index += 1) {
      const difference = value - (baseline.values[index] as number);
      if (isBelow ? difference < shift : difference <= shift) {
        if (difference > largest) largest = difference;
        break;
      }
    }
  }
  return largest;
}

function first({ values }: TiedValues): number {
  return values[0] as number;
}

function last({ values }: TiedValues): number {
  return values[values.length - 1] as number;
}
