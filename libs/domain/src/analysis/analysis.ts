/** Which deviation of the canary from the baseline is bad. */
export const METRIC_DIRECTIONS = ['increase', 'decrease', 'either'] as const;

/** One of {@link METRIC_DIRECTIONS}. */
export type MetricDirection = (typeof METRIC_DIRECTIONS)[number];

/**
 * What a point without a value becomes: nothing (`remove`) or 0 (`replace`, for counters that have
 * no series until the first event), as in Kayenta.
 */
export const NAN_STRATEGIES = ['remove', 'replace'] as const;

/** One of {@link NAN_STRATEGIES}. */
export type NanStrategy = (typeof NAN_STRATEGIES)[number];

/**
 * Mean ratios, canary over baseline, that a deviation must reach. All default to 1: any significant
 * deviation counts. As `effectSize` in Kayenta.
 */
export interface EffectRules {
  /** At or above it, a significantly higher canary is `high`. At least 1. */
  readonly allowedIncrease?: number;
  /** At or below it, a significantly lower canary is `low`. At most 1. */
  readonly allowedDecrease?: number;
  /** At or above it, a `high` of a critical metric fails the whole analysis. */
  readonly criticalIncrease?: number;
  /** At or below it, a `low` of a critical metric fails the whole analysis. */
  readonly criticalDecrease?: number;
}

/** Limits of the canary's own mean, whatever the baseline does. */
export interface AbsoluteThreshold {
  readonly max?: number;
  readonly min?: number;
}

/** How one metric is judged. */
export interface MetricRules {
  /** Unique in its analysis. */
  readonly name: string;
  readonly direction: MetricDirection;
  readonly nanStrategy: NanStrategy;
  /** Its failure fails the whole analysis, at whichever look it shows. */
  readonly critical: boolean;
  /** Without real values (points that are no numbers do not count), the analysis asks instead of passing. */
  readonly mustHaveData: boolean;
  /** Its part of the score, above 0. */
  readonly weight: number;
  readonly effect: EffectRules;
  /** One less the false alarms that are accepted of this metric over all looks together: 0.5 … 0.9999; Kayenta's judge has 0.98. */
  readonly confidence: number;
  /** Judged beside the comparison; alone where the baseline has no points at all. */
  readonly threshold?: AbsoluteThreshold;
}

/** How a stage is judged. */
export interface AnalysisRules {
  readonly metrics: readonly MetricRules[];
  /** Of 100; at or above it the analysis passes. */
  readonly passScore: number;
  /** Of 100; at or above it, and below `passScore`, a person is asked. */
  readonly marginalScore: number;
  /** How many times the stage is judged. The last one decides. */
  readonly looks: number;
  /** Values a side below which nothing is concluded. */
  readonly minSamples: number;
}

/** What was measured since the stage began; null stands for a point without a value. The order does not matter. */
export interface MetricSamples {
  readonly name: string;
  readonly canary: readonly (number | null)[];
  readonly baseline: readonly (number | null)[];
}

/** One side, after the NaN strategy. The numbers are null where there is no value. */
export interface SampleStatistics {
  /** Values that were judged. */
  readonly count: number;
  /** Points that had no value; with `replace` they are in `count` as well. */
  readonly missing: number;
  readonly mean: number | null;
  readonly median: number | null;
  readonly min: number | null;
  readonly max: number | null;
}

/** The location shift, canary less baseline (Hodges–Lehmann), with its interval at this look's level. */
export interface SampleShift {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * What is said of a metric. `high` and `low`: it failed. `unsure`: its mean is beyond an absolute
 * threshold, by no more than noise explains. `nodata`: nothing, or too little, to judge.
 * `error`: its samples or rules cannot be judged.
 */
export const METRIC_CLASSES = ['pass', 'high', 'low', 'unsure', 'nodata', 'error'] as const;

/** One of {@link METRIC_CLASSES}. */
export type MetricClass = (typeof METRIC_CLASSES)[number];

/** Why a metric has its class; stable. */
export type MetricCode =
  | 'no-deviation'
  | 'samples-equal'
  | 'within-effect'
  | 'above-baseline'
  | 'below-baseline'
  | 'above-threshold'
  | 'below-threshold'
  | 'threshold-unsure'
  | 'no-canary-data'
  | 'no-baseline-data'
  | 'too-few-samples'
  | 'samples-missing'
  | 'samples-too-many';

/** One metric at one look. */
export interface MetricVerdict {
  readonly name: string;
  readonly class: MetricClass;
  readonly code: MetricCode;
  /** A sentence for people. */
  readonly reason: string;
  /** This metric alone fails the analysis. */
  readonly critical: boolean;
  readonly weight: number;
  readonly statistics: { readonly canary: SampleStatistics; readonly baseline: SampleStatistics };
  /** Mean of the canary over mean of the baseline; null where either is 0 or missing. */
  readonly ratio: number | null;
  readonly shift: SampleShift | null;
  /** Share of pairs in which the canary's value is the higher one, ties half: 0.5 is no effect. */
  readonly superiority: number | null;
  /** Two-sided, of the Mann–Whitney test; null where it was not made. */
  readonly pValue: number | null;
  /** What `pValue` was held against: the part of 1 − confidence that this look may use. */
  readonly alpha: number;
}

/**
 * - `fail`: at any look.
 * - `pass`: at the last look only.
 * - `inconclusive`: at the last look, a person is asked; before it, the stage goes on
 *   (reason `look-again`, always the only one).
 */
export type AnalysisOutcome = 'pass' | 'fail' | 'inconclusive';

/** Why an analysis has its outcome; stable. */
export type AnalysisReasonCode =
  | 'look-again'
  | 'score-passed'
  | 'score-marginal'
  | 'score-failed'
  | 'critical-metric'
  | 'critical-no-data'
  | 'threshold-unsure'
  | 'no-data'
  | 'metric-error';

/** One reason. */
export interface AnalysisReason {
  readonly code: AnalysisReasonCode;
  /** A sentence for people. */
  readonly message: string;
}

/** What the judge says of a stage at one look. All numbers are finite: it is evidence as it stands. */
export interface AnalysisVerdict {
  readonly outcome: AnalysisOutcome;
  /** 0 … 100, to two decimals: the weights of what passed in all that was judged. */
  readonly score: number;
  readonly reasons: readonly AnalysisReason[];
  /** In the order of the rules. */
  readonly metrics: readonly MetricVerdict[];
  readonly look: number;
  readonly looks: number;
}

/** Values a side that the judge takes of one metric. */
export const MAX_ANALYSIS_SAMPLES = 20_000;

/** Metrics of one analysis. */
export const MAX_ANALYSIS_METRICS = 100;

/** Looks of one analysis. */
export const MAX_ANALYSIS_LOOKS = 100_000;
