import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  compareSamples,
  criticalValueAt,
  judgeAnalysis,
  type MetricDirection,
  type NanStrategy,
  sampleShift,
  shiftedStatistic,
  tiedValues,
} from '@sluice/domain';

/** What Kayenta's own suites expect; the source is named in the file. */
interface KayentaCases {
  readonly classifier: readonly {
    readonly name: string;
    readonly canary: readonly number[];
    readonly baseline: readonly number[];
    readonly tolerance: number;
    readonly confidence: number;
    /** Decrease, increase. */
    readonly allowed: readonly [number, number] | null;
    readonly criticalEffect: readonly [number, number] | null;
    readonly measure: 'meanRatio' | 'cles';
    readonly direction: MetricDirection;
    readonly critical: boolean;
    readonly nanStrategy: NanStrategy;
    readonly expected: {
      readonly class: 'pass' | 'high' | 'low' | 'nodata';
      readonly critical?: boolean;
      readonly ratio?: null;
    };
  }[];
  readonly intervals: readonly {
    readonly name: string;
    readonly canary: readonly number[];
    readonly baseline: readonly number[];
    readonly confidence?: number;
    readonly expected?: {
      readonly lower: number;
      readonly upper: number;
      readonly estimate: number;
    };
    readonly statistics?: readonly { readonly shift: number; readonly z: number }[];
  }[];
}

const cases = JSON.parse(
  readFileSync(new URL('./fixtures/kayenta-cases.json', import.meta.url), 'utf8'),
) as KayentaCases;
const sorted = (values: readonly number[]) => Float64Array.from(values).sort();
const withData = cases.classifier.filter((one) => one.expected.class !== 'nodata');

/** R and Kayenta find a bound by a root of a step function: to 1e-4 only. */
const ROOT_TOLERANCE = 1e-4;

describe('Kayenta: MannWhitneySuite, tied out with R', () => {
  test.each(cases.intervals)('$name', ({ canary, baseline, confidence, expected, statistics }) => {
    const own = tiedValues(sorted(canary));
    const others = tiedValues(sorted(baseline));
    for (const { shift, z } of statistics ?? []) {
      const found = shiftedStatistic(own, others, shift);
      expect(Math.abs(found - z)).toBeLessThan(1e-6 * Math.max(1, Math.abs(z)));
    }
    if (expected === undefined || confidence === undefined) return;
    const found = sampleShift(own, others, criticalValueAt(1 - confidence, 1, 1));
    expect(Math.abs(found.lower - expected.lower)).toBeLessThan(ROOT_TOLERANCE);
    expect(Math.abs(found.upper - expected.upper)).toBeLessThan(ROOT_TOLERANCE);
    expect(Math.abs(found.estimate - expected.estimate)).toBeLessThan(ROOT_TOLERANCE);
  });
});

describe('Kayenta: ClassifierSuite, as a comparison', () => {
  const compared = withData.filter(({ canary }) => canary.length > 0);

  test.each(compared)('$name', (one) => {
    const [allowedDecrease, allowedIncrease] = one.allowed ?? [1, 1];
    const [criticalDecrease, criticalIncrease] = one.criticalEffect ?? [1, 1];
    const isRatio = one.measure === 'meanRatio';
    const found = compareSamples(sorted(one.canary), sorted(one.baseline), {
      direction: one.direction,
      effect: isRatio
        ? { allowedDecrease, allowedIncrease, criticalDecrease, criticalIncrease }
        : {},
      criticalValue: criticalValueAt(1 - one.confidence, 1, 1),
      tolerance: one.tolerance,
    });
    // The judge has no effect of this kind, but says how large it is.
    const isWithin =
      !isRatio &&
      found.superiority > (one.allowed?.[0] ?? 0.5) &&
      found.superiority < (one.allowed?.[1] ?? 0.5);
    expect(isWithin ? 'pass' : found.class).toBe(one.expected.class);
    if (one.expected.critical !== undefined) {
      expect(one.critical && found.reachesCritical).toBe(one.expected.critical);
    }
    if (one.expected.ratio === null) {
      expect(found.class === 'pass' ? null : found.ratio).toBeNull();
    }
  });
});

describe('Kayenta: ClassifierSuite, judged at one look', () => {
  const judged = cases.classifier.filter(
    ({ name, canary, measure }) =>
      measure === 'meanRatio' &&
      (canary.length >= 5 || canary.length === 0) &&
      !name.includes('Critical Effect'),
  );

  test.each(judged)('$name', (one) => {
    const [allowedDecrease, allowedIncrease] = one.allowed ?? [1, 1];
    const verdict = judgeAnalysis(
      {
        metrics: [
          {
            name: 'metric',
            direction: one.direction,
            nanStrategy: one.nanStrategy,
            critical: one.critical,
            mustHaveData: false,
            weight: 1,
            effect: { allowedDecrease, allowedIncrease: Math.max(1, allowedIncrease) },
            confidence: one.confidence,
          },
        ],
        passScore: 95,
        marginalScore: 75,
        looks: 1,
        minSamples: 5,
      },
      [{ name: 'metric', canary: one.canary, baseline: one.baseline }],
      1,
    );
    // The one wanted difference: no data is never a pass, whatever the NaN strategy.
    const expected = one.canary.length === 0 ? 'nodata' : one.expected.class;
    expect(verdict.metrics[0]?.class).toBe(expected);
    const outcome = { pass: 'pass', high: 'fail', low: 'fail', nodata: 'inconclusive' } as const;
    expect(verdict.outcome).toBe(outcome[expected]);
  });
});

describe('Kayenta: StatisticSuite, common language effect size', () => {
  test.each([
    { name: 'identical', canary: [1, 2, 3, 4, 5], baseline: [1, 2, 3, 4, 5], cles: 0.5 },
    {
      name: 'no overlap',
      canary: [
        2.27776335, 2.61149434, 3.26894105, 2.91672701, 1.40656921, 2.18292082, 3.47901292,
        3.00034118, 3.02402043, 4.69912745,
      ],
      baseline: [
        25.31531073, 25.19450817, 24.6288846, 24.37991861, 26.40999244, 25.28524759, 24.99788745,
        26.13841676, 22.93604649, 24.56817832,
      ],
      cles: 0,
    },
    {
      name: 'high',
      canary: [
        29.17644856, 25.16947646, 25.88467948, 29.4900454, 27.05622757, 26.13307864, 27.2711558,
        26.69139944, 29.05412377, 26.39818697, 26.68312641, 24.99600187, 27.99524816, 22.57278291,
        23.72798196, 25.82821505, 28.26624521, 28.02370228, 24.1792213, 26.02914828, 25.90970275,
        31.18337461, 27.44254942, 29.93347686, 26.70848069, 28.12191913, 27.39257837, 30.17636627,
        29.60240485, 30.10635388,
      ],
      baseline: [
        24.69397578, 25.37120574, 25.86186148, 26.93804252, 22.72232309, 24.15894084, 24.80842752,
        26.07830794, 27.35323988, 23.25110886, 24.65909111, 23.88299016, 21.34817847, 26.33198082,
        23.39498829, 26.6734461, 25.33769589, 23.92348759, 25.29740715, 24.21381887, 28.1697053,
        22.2271772, 27.16612837, 25.16639243, 26.85955896, 27.13421926, 25.43350074, 26.32130314,
        23.8854011, 27.86180318,
      ],
      cles: 0.771,
    },
  ])('$name', ({ canary, baseline, cles }) => {
    const found = compareSamples(sorted(canary), sorted(baseline), {
      direction: 'either',
      effect: {},
      criticalValue: 2,
      tolerance: 0.1,
    });
    expect(Math.abs(found.superiority - cles)).toBeLessThan(0.001);
  });
});
