import { describe, expect, test } from '@jest/globals';
import type { AnalysisRules, AnalysisVerdict, MetricDirection } from './analysis.ts';
import { compareSamples, SHIFT_TOLERANCE } from './compare-samples.ts';
import { judgeAnalysis } from './judge.ts';
import { criticalValueAt } from './sequential.ts';

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

/** Pairs of samples of many kinds: without ties, with many, skewed, of one value, of few sizes. */
function* pairs(count = 60) {
  const random = seeded(20_261_122);
  for (let round = 0; round < count; round += 1) {
    const grid = [0, 4, 1, 16][round % 4] as number;
    const factor = [1, 1, 1.5, 3, 0.4][round % 5] as number;
    const draw = (times: number) =>
      Array.from({ length: 5 + Math.floor(random() * 40) }, () => {
        const value = times * (0.2 + random() * random());
        return grid === 0 ? value : Math.round(value * grid) / grid;
      });
    yield { canary: draw(factor), baseline: draw(1) };
  }
}

function rulesOf(direction: MetricDirection, more: Partial<AnalysisRules> = {}): AnalysisRules {
  return {
    metrics: [
      {
        name: 'm',
        direction,
        nanStrategy: 'remove',
        critical: false,
        mustHaveData: false,
        weight: 1,
        effect: {},
        confidence: 0.95,
      },
    ],
    passScore: 95,
    marginalScore: 75,
    looks: 1,
    minSamples: 5,
    ...more,
  };
}

type Values = readonly (number | null)[];
const judge = (canary: Values, baseline: Values, direction: MetricDirection = 'either') =>
  judgeAnalysis(rulesOf(direction), [{ name: 'm', canary, baseline }], 1);
const classOf = (verdict: AnalysisVerdict) => verdict.metrics[0]?.class;
const MIRROR = { high: 'low', low: 'high' } as Readonly<Record<string, string>>;
const sorted = (values: readonly number[]) => Float64Array.from(values).sort();

describe('for samples of many kinds', () => {
  test('all classes occur', () => {
    const seen = new Set(
      [...pairs()].map(({ canary, baseline }) => classOf(judge(canary, baseline))),
    );
    expect([...seen].sort()).toEqual(['high', 'low', 'pass']);
  });

  test('canary and baseline swapped: high is low, the shift is mirrored, p is the same', () => {
    for (const { canary, baseline } of pairs()) {
      const [one] = judge(canary, baseline).metrics;
      const [other] = judge(baseline, canary).metrics;
      expect(other?.class).toBe(MIRROR[one?.class ?? ''] ?? one?.class);
      expect(other?.pValue).toBeCloseTo(one?.pValue as number, 12);
      expect(other?.superiority).toBeCloseTo(1 - (one?.superiority as number), 12);
      expect(other?.shift?.estimate).toBeCloseTo(-(one?.shift?.estimate as number), 9);
      expect(other?.shift?.lower).toBeCloseTo(-(one?.shift?.upper as number), 9);
    }
  });

  test('a direction takes away what is not asked for, and nothing else', () => {
    for (const { canary, baseline } of pairs()) {
      const either = classOf(judge(canary, baseline));
      const up = classOf(judge(canary, baseline, 'increase'));
      const down = classOf(judge(canary, baseline, 'decrease'));
      expect(up).toBe(either === 'low' ? 'pass' : either);
      expect(down).toBe(either === 'high' ? 'pass' : either);
    }
  });

  test('the order of values and of metrics does not matter, to the last bit', () => {
    const random = seeded(1);
    for (const { canary, baseline } of pairs(40)) {
      const shuffled = (values: readonly number[]) =>
        values
          .map((value) => ({ value, key: random() }))
          .sort((a, b) => a.key - b.key)
          .map(({ value }) => value);
      expect(judge(shuffled(canary), shuffled(baseline))).toEqual(judge(canary, baseline));
    }
  });

  test('the unit does not matter: exactly for powers of two, else but for the last bits', () => {
    for (const { canary, baseline } of pairs()) {
      const at = (factor: number) =>
        judge(
          canary.map((value) => value * factor),
          baseline.map((value) => value * factor),
        );
      const one = at(1).metrics[0];
      const exact = at(1024).metrics[0];
      expect({ ...exact, shift: null, statistics: null }).toEqual({
        ...one,
        shift: null,
        statistics: null,
      });
      expect(exact?.shift?.lower).toBe((one?.shift?.lower as number) * 1024);
      const other = at(1e-3).metrics[0];
      expect(other?.class).toBe(one?.class);
      if (one?.ratio !== null) expect(other?.ratio).toBeCloseTo(one?.ratio as number, 9);
    }
  });

  test('a canary that rises further stays failed, and its statistic never falls', () => {
    for (const { canary, baseline } of pairs()) {
      let z = -Infinity;
      let wasClear = false;
      for (const add of [0, 0.1, 0.3, 1, 3, 10]) {
        const raised = sorted(canary.map((value) => value + add));
        const found = compareSamples(raised, sorted(baseline), {
          direction: 'increase',
          effect: {},
          criticalValue: criticalValueAt(0.05, 1, 1),
          tolerance: SHIFT_TOLERANCE,
        });
        // Where ties come and go by the raise, the variance does as well.
        expect(found.superiority).toBeGreaterThanOrEqual(z);
        z = found.superiority;
        if (wasClear) expect(found.class).toBe('high');
        wasClear = found.superiority === 1 && found.class === 'high';
      }
    }
  });

  test('more looks, or an earlier one, never make a failure of what was none', () => {
    for (const { canary, baseline } of pairs()) {
      const samples = [{ name: 'm', canary, baseline }];
      const failsAt = (look: number, looks: number) =>
        judgeAnalysis(rulesOf('either', { looks }), samples, look).outcome === 'fail';
      const fails = [
        failsAt(1, 1),
        failsAt(10, 10),
        failsAt(7, 10),
        failsAt(3, 10),
        failsAt(1, 10),
      ];
      expect(fails).toEqual([...fails].sort((a, b) => Number(b) - Number(a)));
    }
  });

  test('missing points: removed they change nothing, replaced they are zeros', () => {
    for (const { canary, baseline } of pairs(40)) {
      const gaps = [null, ...canary, Number.NaN, null];
      const removed = judge(gaps, baseline).metrics[0];
      const plain = judge(canary, baseline).metrics[0];
      expect(removed?.statistics.canary.missing).toBe(3);
      expect({ ...removed, statistics: null }).toEqual({ ...plain, statistics: null });
      const rules = rulesOf('either');
      const replacing: AnalysisRules = {
        ...rules,
        metrics: rules.metrics.map((metric) => ({ ...metric, nanStrategy: 'replace' })),
      };
      const replaced = judgeAnalysis(replacing, [{ name: 'm', canary: gaps, baseline }], 1);
      const zeros = judge([0, ...canary, 0, 0], baseline).metrics[0];
      expect({ ...replaced.metrics[0], statistics: null }).toEqual({ ...zeros, statistics: null });
    }
  });

  test('all numbers of a verdict are finite or null', () => {
    const odd: readonly Values[] = [
      [0, 0, 0, 0, 0, 0],
      [1e308, -1e308, 1e308, 5e-324, 0, 1],
      [-0, 0, -1, 1, -0, 0],
      [null, null, null, null, null],
      [5e-324, 5e-324, 5e-324, 5e-324, 5e-324, 5e-324],
    ];
    for (const canary of odd) {
      for (const baseline of odd) {
        const text = JSON.stringify(judge(canary, baseline), (_, value: unknown) => {
          if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('not finite');
          return value;
        });
        expect(text.length).toBeGreaterThan(10);
      }
    }
  });
});

describe('samples of one value a side', () => {
  const flat = (value: number, count = 10) => new Array<number>(count).fill(value);

  test('the same value passes, another one is told at once', () => {
    expect(classOf(judge(flat(3), flat(3)))).toBe('pass');
    expect(classOf(judge(flat(3), flat(3, 17)))).toBe('pass');
    expect(classOf(judge(flat(3.01), flat(3)))).toBe('high');
    expect(classOf(judge(flat(2.99), flat(3)))).toBe('low');
    expect(classOf(judge(flat(0), flat(0)))).toBe('pass');
    expect(classOf(judge(flat(1), flat(0)))).toBe('high');
  });
});

test('error rates that are mostly zero are told apart, and the worse the surer', () => {
  // A hundred requests a point, then ever more errors: no gap opens where a canary passes again.
  const random = seeded(5);
  const rates = (chance: number, count = 80) =>
    Array.from({ length: count }, () => {
      let errors = 0;
      for (let request = 0; request < 100; request += 1) errors += Number(random() < chance);
      return errors / 100;
    });
  const baseline = rates(0.002);
  for (const chance of [0.01, 0.012, 0.015, 0.02, 0.03, 0.05, 0.1]) {
    expect(classOf(judge(rates(chance), baseline, 'increase'))).toBe('high');
  }
});
