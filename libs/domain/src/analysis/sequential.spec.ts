import { describe, expect, test } from '@jest/globals';
import { judgeThreshold, studentCriticalValue } from './absolute-threshold.ts';
import { exponential, normalUpperQuantile, normalUpperTail } from './normal.ts';
import { criticalValueAt, spentAlpha } from './sequential.ts';

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

describe('the normal distribution', () => {
  test('the exponential is that of the engine, but for its last bits', () => {
    for (let x = -700; x < 700; x += 5.3) {
      expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(1e-14);
    }
    expect(exponential(0)).toBe(1);
    expect(exponential(-1000)).toBe(0);
    expect(exponential(1000)).toBe(Infinity);
  });

  // R: pnorm(z, lower.tail = FALSE)
  test.each([
    [0, 0.5],
    [1, 0.15865525393145707],
    [1.959963984540054, 0.025],
    [2.5, 0.006209665325776132],
    [3, 0.0013498980316300933],
    [5, 2.866515718791933e-7],
    [10, 7.61985302416047e-24],
    [37, 5.725571222524e-300],
  ])('above %f lie %g', (z, tail) => {
    expect(Math.abs(normalUpperTail(z) / tail - 1)).toBeLessThan(1e-10);
    expect(normalUpperTail(-z)).toBeCloseTo(1 - tail, 14);
    expect(normalUpperQuantile(tail)).toBeCloseTo(z, 9);
  });

  test('the quantile of Kayenta’s own test', () => {
    expect(normalUpperQuantile(0.02 / 2)).toBeCloseTo(2.326348, 6);
  });
});

describe('sequential looks', () => {
  test('a single look is a plain test', () => {
    expect(criticalValueAt(0.05, 1, 1)).toBeCloseTo(1.959964, 6);
    expect(criticalValueAt(0.02, 1, 1)).toBeCloseTo(2.326348, 6);
  });

  test('the boundary rises with the looks up to that of looking all the time, and no further', () => {
    const values = [1, 2, 3, 4, 5, 6, 8, 10, 30, 31, 100, 100_000].map((looks) =>
      criticalValueAt(0.05, looks, looks),
    );
    expect(values).toEqual([...values].sort((a, b) => a - b));
    expect((values.at(-1) as number) - (values.at(-2) as number)).toBeLessThan(1e-9);
    expect(values.at(-1)).toBeLessThan(2.42);
  });

  test('the line is crossed as rarely as the formula says: Brownian paths, looked at 100 times', () => {
    const random = seeded(42);
    const looks = 100;
    const boundary = Array.from({ length: looks }, (_, index) =>
      criticalValueAt(0.1, index + 1, looks),
    );
    const paths = 1500;
    let crossed = 0;
    for (let path = 0; path < paths; path += 1) {
      let at = 0;
      for (let look = 1; look <= looks; look += 1) {
        // A step of a die is enough: there are many.
        at += (random() - 0.5) * Math.sqrt(12);
        if (Math.abs(at) / Math.sqrt(look) >= (boundary[look - 1] as number)) {
          crossed += 1;
          break;
        }
      }
    }
    const margin = 4 * Math.sqrt((0.1 * 0.9) / paths);
    expect(crossed / paths).toBeLessThan(0.1 + margin);
    expect(crossed / paths).toBeGreaterThan(0.06);
  });

  test('what the looks spend is alpha at most, and nearly nothing at first', () => {
    for (const alpha of [0.2, 0.05, 0.02, 0.0001]) {
      for (const looks of [1, 2, 5, 9, 30, 31, 1000]) {
        const spent = [0.2, 0.4, 0.6, 0.8, 1].map((share) =>
          spentAlpha(alpha, Math.max(1, Math.floor(looks * share)), looks),
        );
        expect(spent.at(-1)).toBeLessThanOrEqual(alpha * (1 + 1e-9));
        expect(spent.at(-1)).toBeGreaterThan(alpha * 0.99);
        expect(spent).toEqual([...spent].sort((a, b) => a - b));
        if (looks >= 5) expect(spent[0]).toBeLessThan(alpha / 20);
      }
    }
  });

  test('an early look asks for more: half of the samples for a sixth more', () => {
    const last = criticalValueAt(0.02, 100, 100);
    expect(criticalValueAt(0.02, 50, 100) / last).toBeCloseTo((1.25 / 1.5) * Math.SQRT2, 9);
    expect(criticalValueAt(0.02, 1, 100) / last).toBeCloseTo(6.7, 9);
  });
});

describe('absolute thresholds', () => {
  // Tables of Student's t, two-sided 0.05 and one-sided 0.01.
  test.each([
    [1.959964, 4, 2.776],
    [1.959964, 10, 2.228],
    [1.959964, 30, 2.042],
    [2.326348, 5, 3.365],
    [2.326348, 20, 2.528],
    [2.575829, 9, 3.25],
  ])('z %f with %i degrees of freedom is t %f', (z, freedom, t) => {
    expect(Math.abs(studentCriticalValue(z, freedom) / t - 1)).toBeLessThan(0.006);
  });

  const sample = (...values: number[]) => Float64Array.from(values).sort();

  test('a mean is over its limit only where noise does not explain it', () => {
    const noisy = sample(0, 0, 0, 0, 0, 0.2, 0, 0, 0, 0);
    const clear = sample(0.05, 0.06, 0.05, 0.04, 0.05, 0.06, 0.05, 0.04, 0.05, 0.05);
    expect(judgeThreshold(noisy, { max: 0.01 }, 2.24)).toBe('unsure-over');
    expect(judgeThreshold(clear, { max: 0.01 }, 2.24)).toBe('over');
    expect(judgeThreshold(clear, { max: 0.06 }, 2.24)).toBe('within');
    expect(judgeThreshold(clear, { min: 0.5 }, 2.24)).toBe('under');
    expect(judgeThreshold(noisy, { min: 0.021 }, 2.24)).toBe('unsure-under');
  });

  test('equal values are what they are: at the limit within, above it over', () => {
    const tenth = new Float64Array(20).fill(0.1);
    expect(judgeThreshold(tenth, { max: 0.1, min: 0.1 }, 50)).toBe('within');
    expect(judgeThreshold(tenth, { max: 0.0999 }, 50)).toBe('over');
    expect(judgeThreshold(tenth, { min: 0.1001 }, 50)).toBe('under');
  });
});
