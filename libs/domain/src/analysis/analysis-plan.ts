import type { MetricRules } from './analysis.ts';

/** What answers a metric's query. */
export const ANALYSIS_PROVIDER_KINDS = ['prometheus', 'sql', 'http', 'probes'] as const;

/** One of {@link ANALYSIS_PROVIDER_KINDS}. */
export type AnalysisProviderKind = (typeof ANALYSIS_PROVIDER_KINDS)[number];

/** Name of the provider that every worker has: what the agents measure of their own services. */
export const PROBES_PROVIDER = 'probes';

/** What can be asked of {@link PROBES_PROVIDER}. */
export const PROBE_METRICS = [
  'error-rate',
  'latency-p50',
  'latency-p90',
  'latency-p99',
  'request-rate',
] as const;

/** One of {@link PROBE_METRICS}. Rates of errors are shares from 0 to 1, latencies milliseconds, requests per second. */
export type ProbeMetric = (typeof PROBE_METRICS)[number];

/** A metric, and whom to ask for it. */
export interface PlannedMetric {
  readonly rules: MetricRules;
  /** Name of a provider that the worker's configuration has, or {@link PROBES_PROVIDER}. */
  readonly provider: string;
  /** PromQL, SQL, path with query of a URL, or a {@link ProbeMetric}. */
  readonly query: string;
  /** Where in an HTTP answer the list stands; null for the whole. */
  readonly pointer: string | null;
}

/** What a rollout's `analysis` asks for, with everything that it left out. */
export interface AnalysisPlan {
  readonly metrics: readonly PlannedMetric[];
  readonly passScore: number;
  readonly marginalScore: number;
  readonly minSamples: number;
  /** Between two samples; null: by the time that a stage is watched. */
  readonly stepSeconds: number | null;
}

/**
 * What is left of a plan where nobody serves the old version any more: nothing can be compared, so that metrics with a threshold are judged
 * by it. Null where there are none: health alone is watched.
 */
export function limitsAlone(plan: AnalysisPlan): AnalysisPlan | null {
  const metrics = plan.metrics.filter(({ rules }) => rules.threshold !== undefined);
  return metrics.length === 0 ? null : { ...plan, metrics };
}

/** Metrics of one plan. */
export const MAX_PLANNED_METRICS = 20;

/** Points of all metrics and both sides of one document. */
export const MAX_DOCUMENT_POINTS = 20_000;

/** The most looks of one stage. */
export const MAX_STAGE_LOOKS = 20;

const LEAST_STEP_SECONDS = 5;
const POINTS_OF_A_STAGE = 120;

/** When a stage is looked at. Rounds ask for health, looks for metrics. */
export interface WatchTimes {
  /** At least 1; the last one ends the stage. */
  readonly rounds: number;
  /** A look after each so many rounds, and after the last. */
  readonly roundsPerLook: number;
  readonly looks: number;
}

/** Spreads at most {@link MAX_STAGE_LOOKS} looks over the time that a stage is watched. */
export function watchTimesOf(soakSeconds: number, intervalSeconds: number): WatchTimes {
  const rounds = Math.max(1, Math.ceil(soakSeconds / intervalSeconds));
  const roundsPerLook = Math.ceil(rounds / MAX_STAGE_LOOKS);
  return { rounds, roundsPerLook, looks: Math.ceil(rounds / roundsPerLook) };
}

/** Points of one side of one metric. */
export function maxPointsOf(metrics: number): number {
  return Math.floor(MAX_DOCUMENT_POINTS / (2 * Math.max(1, metrics)));
}

/**
 * Seconds between two samples: as the plan says, else by the time that a stage is watched; longer where the range would have too many points.
 * @param rangeSeconds from the stage's beginning until the look
 */
export function stepSecondsOf(
  plan: Pick<AnalysisPlan, 'stepSeconds' | 'metrics'>,
  soakSeconds: number,
  rangeSeconds: number,
): number {
  const wanted =
    plan.stepSeconds ??
    LEAST_STEP_SECONDS *
      Math.max(1, Math.ceil(soakSeconds / (LEAST_STEP_SECONDS * POINTS_OF_A_STAGE)));
  const least = Math.ceil(rangeSeconds / maxPointsOf(plan.metrics.length));
  return Math.max(wanted, least);
}
