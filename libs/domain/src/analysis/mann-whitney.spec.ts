import { describe, expect, test } from '@jest/globals';
import { mannWhitney, tiedValues } from './mann-whitney.ts';
import { sampleShift } from './sample-shift.ts';

const of = (...values: number[]) => tiedValues(Float64Array.from(values).sort());

/** Uniform in [0, 1), the same sequence for a seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// airquality of R: ozone in May and in August of 1973, New York.
const MAY = [
  41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115,
  37,
];
const AUGUST = [
  39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118,
  84, 85,
];
const R_MANY = [1, 5, 9, 24, 56, 21, 3, 7, 21, 4];

describe('published cases', () => {
  test.each([
    {
      source: 'R, example of wilcox.test: Ozone ~ Month of airquality',
      x: MAY,
      y: AUGUST,
      u: 127.5,
      p: 0.0001208,
    },
    {
      source: 'endmemo.com/r/wilcoxon.php, R output with ties',
      x: R_MANY,
      y: [12, 15, 5, 9, 9, 14, 56, 22, 3, 7, 32, 5],
      u: 51.5,
      p: 0.5966,
    },
    {
      source: 'endmemo.com/r/wilcoxon.php, R output without an overlap',
      x: R_MANY,
      y: [1233, 4356, 987, 39999, 1111, 200000],
      u: 0,
      p: 0.001364,
    },
    {
      source: 'SciPy, example of scipy.stats.mannwhitneyu, method="asymptotic"',
      x: [19, 22, 16, 29, 24],
      y: [20, 11, 17, 12],
      u: 17,
      p: 0.11134688653314041,
    },
  ])('$source', ({ x, y, u, p }) => {
    const test = mannWhitney(of(...x), of(...y));
    expect(test.u).toBe(u);
    // As many digits as were published.
    const digits = Math.min(14, p.toPrecision().replace(/^0\.0*/, '').length);
    expect(test.pValue.toPrecision(digits)).toBe(p.toPrecision(digits));
    expect(Math.sign(test.z)).toBe(Math.sign(u - (x.length * y.length) / 2));
  });
});

test('the normal approximation stays by the exact distribution, and on its safe side in the tail', () => {
  for (const [own, others] of [
    [5, 5],
    [6, 8],
    [8, 8],
    [10, 10],
    [12, 7],
  ] as const) {
    const counts = exactCounts(own, others);
    const all = counts.reduce((sum, count) => sum + count, 0);
    let atMost = 0;
    for (let u = 0; u < (own * others) / 2; u += 1) {
      atMost += counts[u] as number;
      const exact = (2 * atMost) / all;
      const { pValue } = mannWhitney(...withStatistic(own, others, u));
      expect(Math.abs(pValue - exact)).toBeLessThan(0.02);
      if (exact < 0.001) expect(pValue).toBeGreaterThan(exact);
    }
  }
});

test('the statistic and the shift are those of all pairs, listed', () => {
  const random = seeded(7);
  for (let round = 0; round < 60; round += 1) {
    const steps = round % 3 === 0 ? 5 : 1e6;
    const draw = (count: number) =>
      Array.from({ length: count }, () => Math.floor(random() * steps) / 8);
    const x = draw(3 + Math.floor(random() * 12));
    const y = draw(3 + Math.floor(random() * 12));
    const differences = x.flatMap((a) => y.map((b) => a - b)).sort((a, b) => a - b);
    const u = differences.reduce((sum, one) => sum + (one > 0 ? 1 : one === 0 ? 0.5 : 0), 0);
    expect(mannWhitney(of(...x), of(...y)).u).toBe(u);
    const { estimate, lower, upper } = sampleShift(of(...x), of(...y), 1.96);
    const middle = differences.length / 2;
    const median =
      differences.length % 2 === 1
        ? (differences[Math.floor(middle)] as number)
        : ((differences[middle - 1] as number) + (differences[middle] as number)) / 2;
    expect(estimate).toBe(median);
    expect(differences).toContain(lower);
    expect(differences).toContain(upper);
    // Within the bounds no shift is rejected, beyond them each is.
    const rejects = (shift: number) =>
      Math.abs(mannWhitney(of(...x.map((value) => value - shift)), of(...y)).z) > 1.96;
    if (lower > (differences[0] as number)) expect(rejects(lower - 1e-9)).toBe(true);
    if (upper < (differences.at(-1) as number)) expect(rejects(upper + 1e-9)).toBe(true);
    if (upper - lower > 1e-6) {
      expect(rejects(lower + 1e-9)).toBe(false);
      expect(rejects(upper - 1e-9)).toBe(false);
    }
  }
});

test('all equal values are no effect', () => {
  const same = of(3, 3, 3);
  expect(mannWhitney(same, same)).toEqual({ u: 4.5, superiority: 0.5, z: 0, pValue: 1 });
  expect(sampleShift(same, same, 2)).toEqual({ estimate: 0, lower: 0, upper: 0 });
});

test('twenty thousand values a side are judged at once', () => {
  const random = seeded(3);
  const draw = () => Float64Array.from({ length: 20_000 }, random).sort();
  const [x, y] = [tiedValues(draw()), tiedValues(draw())];
  const started = performance.now();
  sampleShift(x, y, 2);
  expect(performance.now() - started).toBeLessThan(10_000);
});

/** How many of all orders of two samples have each statistic (Mann and Whitney's recurrence). */
function exactCounts(own: number, others: number): number[] {
  const known = new Map<string, number[]>();
  const count = (m: number, n: number): number[] => {
    if (m === 0 || n === 0) return [1];
    const key = `${m} ${n}`;
    const before = known.get(key);
    if (before) return before;
    const counts = new Array<number>(m * n + 1).fill(0);
    for (const [u, ways] of count(m - 1, n).entries()) counts[u + n] = ways;
    for (const [u, ways] of count(m, n - 1).entries()) counts[u] = (counts[u] as number) + ways;
    known.set(key, counts);
    return counts;
  };
  return count(own, others);
}

/** Two samples without ties that have this statistic. */
function withStatistic(own: number, others: number, u: number) {
  const baseline = Array.from({ length: others }, (_, index) => index + 1);
  let left = u;
  const canary = Array.from({ length: own }, (_, index) => {
    const above = Math.min(others, left);
    left -= above;
    return above + 0.5 - index / 100;
  });
  return [of(...canary), of(...baseline)] as const;
}
