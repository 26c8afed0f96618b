import {
  type AnalysisRules,
  compareSamples,
  criticalValueAt,
  judgeAnalysis,
  type MetricRules,
  type MetricSamples,
  SHIFT_TOLERANCE,
} from '@sluice/domain';
import type { DrawPoint } from './models.ts';
import { createRandom } from './random.ts';

/** A stage that is played often, each time with other noise. */
export interface StageSetting {
  /** A metric each. */
  readonly metrics: readonly {
    readonly rules?: Partial<MetricRules>;
    /** Made anew for each trial: what it draws may depend on what it drew before. */
    readonly canary: () => DrawPoint;
    /** Absent: only an absolute threshold is judged. */
    readonly baseline?: () => DrawPoint;
  }[];
  readonly looks: number;
  /** Points a side that there are at a look; at the last look all of them. */
  readonly pointsAt: (look: number) => number;
  readonly rules?: Partial<Omit<AnalysisRules, 'metrics' | 'looks'>>;
}

/** What became of the trials of a setting; shares are of 1. */
export interface TrialResult {
  readonly trials: number;
  readonly fail: number;
  readonly pass: number;
  readonly inconclusive: number;
  /** Share of the stage's looks at which a failure shows, in the middle of those that failed; null without any. */
  readonly medianShare: number | null;
  /** Failures of the same noise where each look is a test of its own, as Kayenta's: only for one metric. */
  readonly uncorrected: number | null;
  /** As `fail` and `uncorrected`, by the test's significance alone, without the tolerated part of the shift. */
  readonly bare: number | null;
  readonly bareUncorrected: number | null;
}

const PLAIN: MetricRules = {
  name: 'metric',
  direction: 'increase',
  nanStrategy: 'remove',
  critical: true,
  mustHaveData: true,
  weight: 1,
  effect: {},
  confidence: 0.98,
};

/** One seed gives the same result on any machine. `contrast` adds what it would be without correction. */
export function runTrials(
  setting: StageSetting,
  { trials, seed, contrast = false }: { trials: number; seed: number; contrast?: boolean },
): TrialResult {
  const rules: AnalysisRules = {
    metrics: setting.metrics.map((one, index) => ({
      ...PLAIN,
      ...one.rules,
      name: `metric-${index}`,
    })),
    passScore: 95,
    marginalScore: 75,
    minSamples: 8,
    ...setting.rules,
    looks: setting.looks,
  };
  const random = createRandom(seed);
  const failedAt: number[] = [];
  const count = { pass: 0, inconclusive: 0, uncorrected: 0, bare: 0, bareUncorrected: 0 };
  for (let trial = 0; trial < trials; trial += 1) {
    const points = setting.pointsAt(setting.looks);
    const drawn = setting.metrics.map(({ canary, baseline }, index): MetricSamples => {
      const own = canary();
      const other = baseline?.();
      return {
        name: `metric-${index}`,
        canary: Array.from({ length: points }, () => own(random)),
        baseline: other === undefined ? [] : Array.from({ length: points }, () => other(random)),
      };
    });
    const until = (look: number): MetricSamples[] =>
      drawn.map(({ name, canary, baseline }) => ({
        name,
        canary: canary.slice(0, setting.pointsAt(look)),
        baseline: baseline.slice(0, setting.pointsAt(look)),
      }));
    let ended = false;
    for (let look = 1; look <= setting.looks && !ended; look += 1) {
      const verdict = judgeAnalysis(rules, until(look), look);
      if (verdict.outcome === 'fail') failedAt.push(look);
      else if (look === setting.looks) count[verdict.outcome] += 1;
      ended = verdict.outcome === 'fail';
    }
    if (contrast) addContrast(count, rules, setting.looks, until);
  }
  const per = (many: number): number => many / trials;
  failedAt.sort((a, b) => a - b);
  const median = failedAt[failedAt.length >> 1];
  return {
    trials,
    fail: per(failedAt.length),
    pass: per(count.pass),
    inconclusive: per(count.inconclusive),
    medianShare: median === undefined ? null : median / setting.looks,
    uncorrected: contrast ? per(count.uncorrected) : null,
    bare: contrast ? per(count.bare) : null,
    bareUncorrected: contrast ? per(count.bareUncorrected) : null,
  };
}

/** The first metric of the same noise, judged in three other ways. */
function addContrast(
  count: { uncorrected: number; bare: number; bareUncorrected: number },
  rules: AnalysisRules,
  looks: number,
  until: (look: number) => readonly MetricSamples[],
): void {
  const metric = rules.metrics[0] ?? PLAIN;
  const alpha = 1 - metric.confidence;
  const plain = criticalValueAt(alpha, 1, 1);
  const failed = { uncorrected: false, bare: false, bareUncorrected: false };
  for (let look = 1; look <= looks; look += 1) {
    const { canary = [], baseline = [] } = until(look)[0] ?? {};
    if (Math.min(canary.length, baseline.length) < rules.minSamples) continue;
    const found = compareSamples(sorted(canary), sorted(baseline), {
      direction: metric.direction,
      effect: metric.effect,
      criticalValue: plain,
      tolerance: SHIFT_TOLERANCE,
    });
    const sign = metric.direction === 'either' ? Math.abs(found.z) : found.z;
    failed.uncorrected ||= found.class !== 'pass';
    failed.bareUncorrected ||= sign >= plain;
    failed.bare ||= sign >= criticalValueAt(alpha, look, looks);
  }
  for (const name of ['uncorrected', 'bare', 'bareUncorrected'] as const) {
    if (failed[name]) count[name] += 1;
  }
}

function sorted(values: readonly (number | null)[]): Float64Array {
  return Float64Array.from(values.map(Number)).sort();
}
