import {
  type AnalysisRules,
  MAX_ANALYSIS_LOOKS,
  MAX_ANALYSIS_METRICS,
  MAX_ANALYSIS_SAMPLES,
  type MetricRules,
} from './analysis.ts';

/** {@link MetricRules.confidence} at the least and at the most. */
export const CONFIDENCE_RANGE = { least: 0.5, most: 0.9999 } as const;

/**
 * What keeps rules from being judged by, a sentence each; none where all is well. Asked when a
 * pipeline is written; the judge itself throws where there is one.
 */
export function problemsOfAnalysisRules(rules: AnalysisRules): readonly string[] {
  const { metrics, passScore, marginalScore, looks, minSamples } = rules;
  const names = metrics.map(({ name }) => name);
  return [
    ...unless(
      metrics.length >= 1 && metrics.length <= MAX_ANALYSIS_METRICS,
      () => `An analysis has 1 to ${MAX_ANALYSIS_METRICS} metrics, not ${metrics.length}.`,
    ),
    ...names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((name) => `Two metrics are named ${name}: give each its own name.`),
    ...unless(isWithin(passScore, 0, 100), () => `passScore is ${passScore}: it must be 0 to 100.`),
    ...unless(
      isWithin(marginalScore, 0, passScore),
      () => `marginalScore is ${marginalScore}: it must be 0 to passScore (${passScore}).`,
    ),
    ...unless(
      Number.isInteger(looks) && isWithin(looks, 1, MAX_ANALYSIS_LOOKS),
      () => `looks is ${looks}: it must be a whole number from 1 to ${MAX_ANALYSIS_LOOKS}.`,
    ),
    ...unless(
      Number.isInteger(minSamples) && isWithin(minSamples, 2, MAX_ANALYSIS_SAMPLES),
      () =>
        `minSamples is ${minSamples}: it must be a whole number from 2 to ${MAX_ANALYSIS_SAMPLES}.`,
    ),
    ...metrics.flatMap(problemsOfMetric),
  ];
}

function problemsOfMetric({ name, weight, confidence, effect, threshold }: MetricRules): string[] {
  const { least, most } = CONFIDENCE_RANGE;
  const above = [effect.allowedIncrease, effect.criticalIncrease];
  const below = [effect.allowedDecrease, effect.criticalDecrease];
  const limits = [threshold?.max, threshold?.min];
  const { max, min } = threshold ?? {};
  return [
    ...unless(
      weight > 0 && weight <= 1e6,
      () => `The weight of ${name} is ${weight}: it must be above 0, and 1000000 at most.`,
    ),
    ...unless(
      isWithin(confidence, least, most),
      () => `The confidence of ${name} is ${confidence}: it must be ${least} to ${most}.`,
    ),
    ...unless(
      above.every((ratio) => ratio === undefined || isWithin(ratio, 1, 1e6)),
      () => `An increase of ${name} is a ratio of means, canary over baseline: 1 to 1000000.`,
    ),
    ...unless(
      below.every((ratio) => ratio === undefined || isWithin(ratio, 0, 1)),
      () => `A decrease of ${name} is a ratio of means, canary over baseline: 0 to 1.`,
    ),
    ...unless(
      limits.every((limit) => limit === undefined || isWithin(limit, -1e100, 1e100)),
      () => `A limit of ${name} is not a number that can be compared with.`,
    ),
    ...unless(
      max === undefined || min === undefined || min <= max,
      () => `The threshold of ${name} has min ${min} above max ${max}.`,
    ),
  ];
}

function isWithin(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}

function unless(holds: boolean, message: () => string): string[] {
  return holds ? [] : [message()];
}
