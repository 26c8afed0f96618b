import { describe, expect, test } from '@jest/globals';
import type { AnalysisRules, MetricRules, MetricSamples } from './analysis.ts';
import { judgeAnalysis } from './judge.ts';

const ERRORS: MetricRules = {
  name: 'errors',
  direction: 'increase',
  nanStrategy: 'remove',
  critical: false,
  mustHaveData: false,
  weight: 1,
  effect: {},
  confidence: 0.98,
};

function rules(metrics: readonly Partial<MetricRules>[], more: Partial<AnalysisRules> = {}) {
  return {
    metrics: metrics.map((one) => ({ ...ERRORS, ...one })),
    passScore: 95,
    marginalScore: 75,
    looks: 1,
    minSamples: 5,
    ...more,
  };
}

/** So many values around a level, without ties. */
function around(level: number, count = 20): number[] {
  return Array.from({ length: count }, (_, index) => level * (0.9 + (index * 0.2) / count));
}

const even = (name = 'errors'): MetricSamples => ({
  name,
  canary: around(1.0001),
  baseline: around(1),
});
const worse = (name = 'errors', times = 2): MetricSamples => ({
  name,
  canary: around(times),
  baseline: around(1),
});
const codes = (verdict: { readonly reasons: readonly { readonly code: string }[] }) =>
  verdict.reasons.map(({ code }) => code);
const nothing = (count: number) => new Array<null>(count).fill(null);

describe('the last look', () => {
  test('no deviation passes, and says by which numbers', () => {
    const verdict = judgeAnalysis(rules([{}]), [even()], 1);
    expect(verdict).toMatchObject({ outcome: 'pass', score: 100, look: 1, looks: 1 });
    expect(codes(verdict)).toEqual(['score-passed']);
    const [metric] = verdict.metrics;
    expect(metric).toMatchObject({ class: 'pass', code: 'no-deviation', critical: false });
    expect(metric?.statistics.canary).toMatchObject({ count: 20, missing: 0 });
    expect(metric?.ratio).toBeCloseTo(1.0001, 6);
    expect(metric?.alpha).toBeCloseTo(0.02, 9);
    expect(metric?.pValue).toBeGreaterThan(0.5);
  });

  test.each([
    { weights: [1, 1], outcome: 'fail', score: 50, code: 'score-failed' },
    { weights: [1, 3], outcome: 'inconclusive', score: 75, code: 'score-marginal' },
    { weights: [1, 19], outcome: 'pass', score: 95, code: 'score-passed' },
  ])('a failed metric of weights $weights: $outcome', ({ weights, outcome, score, code }) => {
    const verdict = judgeAnalysis(
      rules([{ weight: weights[0] as number }, { name: 'latency', weight: weights[1] as number }]),
      [worse(), even('latency')],
      1,
    );
    expect(verdict).toMatchObject({ outcome, score });
    expect(codes(verdict)).toEqual([code]);
  });

  test('a critical metric fails all, but only from its critical effect on', () => {
    const metrics = [
      { critical: true, effect: { criticalIncrease: 1.5 } },
      { name: 'latency', weight: 99 },
    ];
    const far = judgeAnalysis(rules(metrics), [worse(), even('latency')], 1);
    expect(far).toMatchObject({ outcome: 'fail', score: 99 });
    expect(codes(far)).toEqual(['critical-metric']);
    const near = judgeAnalysis(rules(metrics), [worse('errors', 1.4), even('latency')], 1);
    expect(near.outcome).toBe('pass');
    expect(near.metrics[0]).toMatchObject({ class: 'high', critical: false });
  });

  test('a deviation below the allowed effect is none', () => {
    const verdict = judgeAnalysis(rules([{ effect: { allowedIncrease: 2.5 } }]), [worse()], 1);
    expect(verdict.outcome).toBe('pass');
    expect(verdict.metrics[0]).toMatchObject({ class: 'pass', code: 'within-effect' });
  });

  test('an improvement is a failure only where it is asked for', () => {
    const better = { name: 'errors', canary: around(1), baseline: around(2) };
    expect(judgeAnalysis(rules([{}]), [better], 1).outcome).toBe('pass');
    const either = judgeAnalysis(rules([{ direction: 'either' }]), [better], 1);
    expect(either.metrics[0]?.class).toBe('low');
    expect(either.outcome).toBe('fail');
  });

  test('more rests on a baseline of nothing but zeros: there is no ratio, and any effect counts', () => {
    const verdict = judgeAnalysis(
      rules([{ critical: true, effect: { allowedIncrease: 9, criticalIncrease: 9 } }]),
      [{ name: 'errors', canary: around(0.05), baseline: new Array(20).fill(0) }],
      1,
    );
    expect(verdict.metrics[0]).toMatchObject({ class: 'high', ratio: null, critical: true });
    expect(verdict.outcome).toBe('fail');
  });
});

describe('without data', () => {
  test.each([
    { name: 'nothing at all', canary: [], baseline: around(1), code: 'no-canary-data' },
    {
      name: 'no number',
      canary: [null, Number.NaN, Infinity],
      baseline: around(1),
      code: 'no-canary-data',
    },
    { name: 'no baseline', canary: around(1), baseline: [], code: 'no-baseline-data' },
    { name: 'too few', canary: around(1, 4), baseline: around(1), code: 'too-few-samples' },
    {
      name: 'too few to tell',
      canary: around(1, 5),
      baseline: around(1, 2),
      code: 'too-few-samples',
    },
  ])('$name: a person is asked', ({ canary, baseline, code }) => {
    const samples = [{ name: 'errors', canary, baseline }];
    const verdict = judgeAnalysis(
      rules([{}], {
        minSamples: 2 + Number(code === 'too-few-samples' && canary.length === 4) * 3,
      }),
      samples,
      1,
    );
    expect(verdict.metrics[0]).toMatchObject({ class: 'nodata', code });
    expect(verdict.outcome).toBe('inconclusive');
    expect(codes(verdict)).toEqual(['no-data']);
  });

  test('samples that could not fail however bad they were cannot pass either', () => {
    // Five a side without an overlap reach 0.012: enough for 0.95 at one look, not at ten.
    const samples = [{ name: 'errors', canary: around(9, 5), baseline: around(1, 5) }];
    const once = judgeAnalysis(rules([{ confidence: 0.95 }]), samples, 1);
    expect(once.outcome).toBe('fail');
    const tenTimes = judgeAnalysis(rules([{ confidence: 0.99 }], { looks: 10 }), samples, 10);
    expect(tenTimes.metrics[0]?.code).toBe('too-few-samples');
    expect(tenTimes.outcome).toBe('inconclusive');
  });

  test('one metric without data does not matter, where it need not have any and others have', () => {
    const metrics = [{}, { name: 'latency' }, { name: 'queue' }];
    const samples = [even(), even('latency'), { name: 'queue', canary: [], baseline: [] }];
    expect(judgeAnalysis(rules(metrics), samples, 1)).toMatchObject({
      outcome: 'pass',
      score: 100,
    });
    const required = rules([{}, { name: 'latency' }, { name: 'queue', mustHaveData: true }]);
    expect(codes(judgeAnalysis(required, samples, 1))).toEqual(['no-data']);
  });

  test('half of the metrics without data: a person is asked', () => {
    const samples = [even(), { name: 'latency', canary: [], baseline: [] }];
    expect(codes(judgeAnalysis(rules([{}, { name: 'latency' }]), samples, 1))).toEqual(['no-data']);
  });

  test('a critical metric that must have data and has none on the canary alone fails, at the end', () => {
    const strict = rules([{ critical: true, mustHaveData: true }], { looks: 3 });
    const silent = [{ name: 'errors', canary: nothing(20), baseline: around(1) }];
    expect(codes(judgeAnalysis(strict, silent, 2))).toEqual(['look-again']);
    const last = judgeAnalysis(strict, silent, 3);
    expect(last.outcome).toBe('fail');
    expect(codes(last)).toEqual(['critical-no-data']);
    // Neither side: the provider is what is missing.
    const dark = [{ name: 'errors', canary: nothing(20), baseline: nothing(20) }];
    expect(judgeAnalysis(strict, dark, 3).outcome).toBe('inconclusive');
  });

  test('zeros in the place of missing points judge a counter, but are no sign of life', () => {
    const replaced = { nanStrategy: 'replace' } as const;
    const quiet = { name: 'errors', canary: nothing(20), baseline: nothing(20) };
    const alone = judgeAnalysis(rules([replaced]), [quiet], 1);
    expect(alone.metrics[0]).toMatchObject({ class: 'pass', code: 'samples-equal' });
    expect(codes(alone)).toEqual(['no-data']);
    const alive = judgeAnalysis(
      rules([replaced, { name: 'latency' }]),
      [quiet, even('latency')],
      1,
    );
    expect(alive.outcome).toBe('pass');
    const failing = { name: 'errors', canary: around(0.1), baseline: nothing(20) };
    expect(judgeAnalysis(rules([replaced]), [failing], 1).outcome).toBe('fail');
    const must = judgeAnalysis(rules([{ ...replaced, mustHaveData: true }]), [quiet], 1);
    expect(must.metrics[0]).toMatchObject({ class: 'nodata', code: 'no-canary-data' });
  });

  test('a metric that was not measured, or too often: a person is asked', () => {
    const missing = judgeAnalysis(rules([{}, { name: 'latency', weight: 1e-3 }]), [even()], 1);
    expect(codes(missing)).toEqual(['metric-error']);
    const much = { name: 'errors', canary: around(1, 20_001), baseline: around(1) };
    expect(judgeAnalysis(rules([{}]), [much], 1).metrics[0]?.code).toBe('samples-too-many');
  });
});

describe('absolute thresholds', () => {
  const limited = rules([{ critical: true, threshold: { max: 1.5 } }]);
  const alone = (...canary: number[]) => [{ name: 'errors', canary, baseline: [] }];

  test('are judged without a baseline', () => {
    expect(judgeAnalysis(limited, alone(...around(1)), 1).outcome).toBe('pass');
    const over = judgeAnalysis(limited, alone(...around(2)), 1);
    expect(over.outcome).toBe('fail');
    expect(over.metrics[0]).toMatchObject({
      class: 'high',
      code: 'above-threshold',
      critical: true,
    });
  });

  test('hold against a canary that is no worse than its baseline', () => {
    const both = [{ name: 'errors', canary: around(2), baseline: around(2) }];
    expect(judgeAnalysis(limited, both, 1).outcome).toBe('fail');
    const missing = [{ name: 'errors', canary: around(2), baseline: nothing(20) }];
    expect(judgeAnalysis(limited, missing, 1).outcome).toBe('fail');
    const withinAndMissing = [{ name: 'errors', canary: around(1), baseline: nothing(20) }];
    expect(judgeAnalysis(limited, withinAndMissing, 1).outcome).toBe('inconclusive');
  });

  test('ask where noise may be what exceeds them', () => {
    const verdict = judgeAnalysis(limited, alone(0, 0, 0, 0, 0, 0, 0, 20), 1);
    expect(verdict.metrics[0]).toMatchObject({ class: 'unsure', critical: false });
    expect(codes(verdict)).toEqual(['threshold-unsure']);
  });

  test('have a lower side', () => {
    const served = rules([{ threshold: { min: 0.99 } }]);
    const verdict = judgeAnalysis(served, alone(...around(0.5)), 1);
    expect(verdict.metrics[0]).toMatchObject({ class: 'low', code: 'below-threshold' });
  });
});

describe('looks before the last one', () => {
  const tenLooks = rules([{ critical: true }], { looks: 10 });

  test('go on, whatever is missing or even', () => {
    for (const samples of [[], [even()], [{ name: 'errors', canary: [], baseline: [] }]]) {
      const verdict = judgeAnalysis(tenLooks, samples, 3);
      expect(verdict.outcome).toBe('inconclusive');
      expect(codes(verdict)).toEqual(['look-again']);
    }
  });

  test('fail where it is plain early: the same samples at the first and at a later look', () => {
    const gross = [worse('errors', 5)];
    expect(codes(judgeAnalysis(tenLooks, gross, 1))).toEqual(['look-again']);
    // Each failed metric is told once.
    const [critical, score] = judgeAnalysis(tenLooks, gross, 10).reasons;
    expect(critical?.message).toBe(
      'Critical: errors of the canary is above the baseline, 5 times its mean.',
    );
    expect(score?.message).toBe('The score is 0 of 100; 75 is the least.');
    expect(judgeAnalysis(tenLooks, gross, 3).outcome).toBe('fail');
    const many = [{ name: 'errors', canary: around(5, 90), baseline: around(1, 90) }];
    expect(judgeAnalysis(tenLooks, many, 1).outcome).toBe('fail');
  });

  test('a metric that is not critical fails early only if the rest cannot make up for it', () => {
    const light = rules([{ weight: 1 }, { name: 'latency', weight: 9 }], { looks: 2 });
    const heavy = rules([{ weight: 9 }, { name: 'latency', weight: 1 }], { looks: 2 });
    const samples = [worse('errors', 5), { name: 'latency', canary: [], baseline: [] }];
    expect(codes(judgeAnalysis(light, samples, 1))).toEqual(['look-again']);
    expect(codes(judgeAnalysis(heavy, samples, 1))).toEqual(['score-failed']);
  });

  test('a look after the last one is the last one', () => {
    expect(judgeAnalysis(tenLooks, [even()], 12)).toMatchObject({ outcome: 'pass', look: 10 });
  });
});

describe('what the judge does not take', () => {
  test.each([
    [rules([]), /1 to 100 metrics/],
    [rules([{}, {}]), /named errors/],
    [rules([{}], { looks: 0 }), /looks is 0/],
    [rules([{}], { minSamples: 1 }), /minSamples is 1/],
    [rules([{}], { marginalScore: 99 }), /marginalScore is 99/],
    [rules([{}], { passScore: Number.NaN }), /passScore is NaN/],
    [rules([{ weight: 0 }]), /weight of errors/],
    [rules([{ confidence: 1 }]), /confidence of errors/],
    [rules([{ effect: { allowedIncrease: 0.5 } }]), /increase of errors/],
    [rules([{ effect: { criticalDecrease: 1.5 } }]), /decrease of errors/],
    [rules([{ threshold: { max: 1, min: 2 } }]), /min 2 above max 1/],
    [rules([{ threshold: { max: Number.NaN } }]), /limit of errors/],
  ])('rules %#', (wrong, message) => {
    expect(() => judgeAnalysis(wrong, [even()], 1)).toThrow(message);
  });

  test('looks from 0 on, and a metric twice', () => {
    expect(() => judgeAnalysis(rules([{}]), [even()], 0)).toThrow(/counted from 1/);
    expect(() => judgeAnalysis(rules([{}]), [even(), even()], 1)).toThrow(/twice/);
  });
});
