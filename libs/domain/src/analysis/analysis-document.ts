import { cutText } from '../cut-text.ts';
import type { AnalysisOutcome, AnalysisRules, AnalysisVerdict, MetricSamples } from './analysis.ts';
import type { AnalysisProviderKind } from './analysis-plan.ts';

/** Says which form a document of an analysis has. */
export const ANALYSIS_SCHEMA = 'sluice.analysis/v1';

/** Media type of such a document. */
export const ANALYSIS_MEDIA_TYPE = 'application/vnd.sluice.analysis+json';

/** Seconds since the document's `from`, and what was measured there; null where there was nothing. */
export type SamplePoint = readonly [seconds: number, value: number | null];

/** Why a metric has no samples; stable. */
export const ANALYSIS_TROUBLES = [
  /** The worker's configuration has no provider of that name. */
  'analysis-provider-unknown',
  /** It did not answer, or not in time. */
  'analysis-provider-down',
  /** It answered that the query is wrong. */
  'analysis-query-refused',
  /** Its answer is not of the form that is asked for. */
  'analysis-answer-wrong',
  /** It answered with several series. */
  'analysis-series-many',
  /** It answered with more points than are taken. */
  'analysis-points-many',
] as const;

/** One of {@link ANALYSIS_TROUBLES}. */
export type AnalysisTroubleCode = (typeof ANALYSIS_TROUBLES)[number];

/** Why a metric has no samples. */
export interface AnalysisTrouble {
  readonly code: AnalysisTroubleCode;
  readonly message: string;
}

/** What was asked of a provider, and what it answered. */
export interface AnalysedMetric {
  readonly name: string;
  readonly provider: string;
  /** Null where the provider is not known. */
  readonly kind: AnalysisProviderKind | null;
  readonly query: string;
  readonly pointer: string | null;
  readonly canary: readonly SamplePoint[];
  readonly baseline: readonly SamplePoint[];
  readonly trouble: AnalysisTrouble | null;
}

/** What a stage's analysis comes to. */
export interface AnalysisConclusion {
  readonly outcome: AnalysisOutcome;
  /** 0 to 100. */
  readonly score: number;
  /** Null exactly with `pass`. */
  readonly reason: { readonly code: string; readonly message: string } | null;
}

/** All that a look was judged by, and what came of it: the same input gives the same bytes. */
export interface AnalysisDocument {
  readonly schema: typeof ANALYSIS_SCHEMA;
  readonly stepId: string;
  /** From 1. */
  readonly round: number;
  readonly stage: number;
  readonly rules: AnalysisRules;
  /** From 1. */
  readonly look: number;
  /** RFC 3339. */
  readonly from: string;
  /** RFC 3339. */
  readonly to: string;
  readonly stepSeconds: number;
  /** Names, sorted. Without a baseline nothing is compared: thresholds alone are judged. */
  readonly targets: { readonly canary: readonly string[]; readonly baseline: readonly string[] };
  /** In the order of the rules. */
  readonly metrics: readonly AnalysedMetric[];
  readonly verdict: AnalysisVerdict;
  readonly conclusion: AnalysisConclusion;
}

/** The input of a look: a document without what was made of it. */
export type AnalysisInput = Omit<AnalysisDocument, 'verdict' | 'conclusion'>;

/** The judge of {@link judgeAnalysis}'s form. */
export type Judge = (
  rules: AnalysisRules,
  samples: readonly MetricSamples[],
  look: number,
) => AnalysisVerdict;

/** What the judge is given of a document. */
export function samplesOf(input: Pick<AnalysisInput, 'metrics'>): readonly MetricSamples[] {
  return input.metrics.map(({ name, canary, baseline }) => ({
    name,
    canary: canary.map(([, value]) => value),
    baseline: baseline.map(([, value]) => value),
  }));
}

/** Judges an input: pure, so that whoever holds a document can do it again. */
export function composeAnalysis(input: AnalysisInput, judge: Judge): AnalysisDocument {
  const verdict = judge(input.rules, samplesOf(input), input.look);
  return { ...input, verdict, conclusion: concludeAnalysis(input, verdict) };
}

const MAX_MESSAGE = 600;

/**
 * What a verdict means for the stage. Where a provider is in trouble, nothing passes, and only a metric that is critical fails.
 */
export function concludeAnalysis(
  input: Pick<AnalysisInput, 'metrics' | 'targets'>,
  { outcome, score, reasons }: AnalysisVerdict,
): AnalysisConclusion {
  const troubled = input.metrics.filter(({ trouble }) => trouble !== null);
  const isCritical = outcome === 'fail' && reasons.some(({ code }) => code === 'critical-metric');
  const [first] = troubled;
  if (first?.trouble != null && !isCritical) {
    const { code, message } = first.trouble;
    const more = troubled.length === 1 ? '' : ` So are ${troubled.length - 1} other metrics.`;
    return {
      outcome: 'inconclusive',
      score,
      reason: { code, message: cutText(`${first.name}: ${message}${more}`, MAX_MESSAGE) },
    };
  }
  if (outcome === 'pass') return { outcome, score, reason: null };
  const [main] = reasons;
  // Others say again what this one says, of the same metrics.
  const messages = reasons.filter(({ code }) => code === main?.code).map((one) => one.message);
  const alone =
    input.targets.baseline.length === 0
      ? ' No target served the old version: only thresholds were judged.'
      : '';
  return {
    outcome,
    score,
    reason: {
      code: `analysis-${main?.code ?? outcome}`,
      message: cutText(`${messages.join(' ')}${alone}`, MAX_MESSAGE),
    },
  };
}
