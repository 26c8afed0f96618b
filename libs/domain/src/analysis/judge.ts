import { DomainError } from '../domain-error.ts';
import type {
  AnalysisOutcome,
  AnalysisReason,
  AnalysisRules,
  AnalysisVerdict,
  MetricSamples,
  MetricVerdict,
} from './analysis.ts';
import { problemsOfAnalysisRules } from './analysis-rules.ts';
import { judgeMetric } from './judge-metric.ts';

/** From this share of metrics without data on, the analysis asks: as Kayenta, which fails. */
const TOO_MANY_WITHOUT_DATA = 0.5;

/**
 * Judges a stage by all that was measured since it began. Pure: the same input gives the same
 * verdict, to the last bit, on any machine. `docs/analysis.md` explains it.
 *
 * - `fail` at any look: a critical metric failed, or so much failed that the score stays below
 *   `marginalScore` whatever the rest does. What is accepted as a failure at a look is so strict
 *   that all looks together give a false alarm of a metric with a chance of at most
 *   1 − its confidence.
 * - `pass` at the last look only, and only if there is data where there must be.
 * - else `inconclusive`: before the last look with the single reason `look-again`.
 * @param samples one entry a metric of the rules; others are passed over
 * @param look from 1; the last one is `rules.looks`, and later ones are judged as it
 * @throws DomainError `analysis-rules-invalid`, `analysis-look-invalid`, `analysis-samples-twice`
 */
export function judgeAnalysis(
  rules: AnalysisRules,
  samples: readonly MetricSamples[],
  look: number,
): AnalysisVerdict {
  const problems = problemsOfAnalysisRules(rules);
  if (problems.length > 0) throw new DomainError('analysis-rules-invalid', problems.join(' '));
  if (!Number.isInteger(look) || look < 1) {
    throw new DomainError(
      'analysis-look-invalid',
      `Looks are counted from 1, there is no ${look}.`,
    );
  }
  const byName = new Map(samples.map((one) => [one.name, one]));
  if (byName.size < samples.length) {
    throw new DomainError('analysis-samples-twice', 'A metric was handed over twice.');
  }
  const { looks, minSamples } = rules;
  const at = Math.min(look, looks);
  const metrics = rules.metrics.map((metric) =>
    judgeMetric(metric, byName.get(metric.name), { look: at, looks, minSamples }),
  );
  const score = scoreOf(metrics);
  const end = (outcome: AnalysisOutcome, reasons: readonly AnalysisReason[]): AnalysisVerdict => ({
    outcome,
    score,
    reasons,
    metrics,
    look: at,
    looks,
  });

  const isLast = at === looks;
  const failures = failuresOf(rules, metrics, score, isLast);
  if (failures.length > 0) return end('fail', failures);
  if (!isLast) {
    return end('inconclusive', [
      { code: 'look-again', message: `Look ${at} of ${looks}: nothing has failed so far.` },
    ]);
  }
  const doubts = doubtsOf(rules, samples, metrics, score);
  if (doubts.length > 0) return end('inconclusive', doubts);
  return end('pass', [
    { code: 'score-passed', message: `The score is ${score} of 100; ${rules.passScore} pass.` },
  ]);
}

/** As Kayenta's score of one group: the weights of what passed in all that was judged. */
function scoreOf(metrics: readonly MetricVerdict[]): number {
  const judged = weightOf(metrics.filter(isJudged));
  if (judged === 0) return 0;
  return rounded((100 * weightOf(metrics.filter((one) => one.class === 'pass'))) / judged);
}

function failuresOf(
  { marginalScore }: AnalysisRules,
  metrics: readonly MetricVerdict[],
  score: number,
  isLast: boolean,
): AnalysisReason[] {
  const failed = metrics.filter(isFailed);
  const critical = failed
    .filter((one) => one.critical)
    .map(
      ({ reason }): AnalysisReason => ({ code: 'critical-metric', message: `Critical: ${reason}` }),
    );
  const silent = metrics
    .filter((one) => one.class === 'nodata' && one.critical)
    .map(
      ({ reason }): AnalysisReason => ({
        code: 'critical-no-data',
        message: `Critical: ${reason}`,
      }),
    );
  // Before the end, what is not judged yet may still pass.
  const all = isLast ? metrics.filter(isJudged) : metrics;
  const best = isLast ? score : rounded(100 * (1 - weightOf(failed) / weightOf(all)));
  const others = failed.filter((one) => !one.critical).map(({ reason }) => ` ${reason}`);
  const low: AnalysisReason[] =
    failed.length > 0 && best < marginalScore
      ? [
          {
            code: 'score-failed',
            message: `The score is ${best} of 100${isLast ? '' : ' at best'}; ${marginalScore} is the least.${others.join('')}`,
          },
        ]
      : [];
  return [...critical, ...silent, ...low];
}

function doubtsOf(
  rules: AnalysisRules,
  samples: readonly MetricSamples[],
  metrics: readonly MetricVerdict[],
  score: number,
): AnalysisReason[] {
  const errors = metrics
    .filter((one) => one.class === 'error')
    .map(({ reason }): AnalysisReason => ({ code: 'metric-error', message: reason }));
  const unsure = metrics
    .filter((one) => one.class === 'unsure')
    .map(({ reason }): AnalysisReason => ({ code: 'threshold-unsure', message: reason }));
  const marginal: AnalysisReason[] =
    metrics.some(isJudged) && score < rules.passScore
      ? [
          {
            code: 'score-marginal',
            message: `The score is ${score} of 100, below the ${rules.passScore} that pass.`,
          },
        ]
      : [];
  return [...errors, ...withoutData(rules, samples, metrics), ...unsure, ...marginal];
}

function withoutData(
  { metrics: rules, minSamples }: AnalysisRules,
  samples: readonly MetricSamples[],
  metrics: readonly MetricVerdict[],
): AnalysisReason[] {
  const missing = metrics.filter((one) => one.class === 'nodata');
  const required = missing.filter((_, index) => {
    const name = missing[index]?.name;
    return rules.some((rule) => rule.name === name && rule.mustHaveData);
  });
  if (required.length > 0) {
    return required.map(({ reason }): AnalysisReason => ({ code: 'no-data', message: reason }));
  }
  if (missing.length >= TOO_MANY_WITHOUT_DATA * metrics.length) {
    const message = `${missing.length} of ${metrics.length} metrics have too little data. ${missing[0]?.reason}`;
    return [{ code: 'no-data', message }];
  }
  // Zeros put in the place of missing points are no sign of life.
  const isAlive = samples.some(
    ({ name, canary }) =>
      rules.some((rule) => rule.name === name) &&
      canary.filter((point) => Number.isFinite(point)).length >= minSamples,
  );
  if (isAlive) return [];
  const message = `No metric has ${minSamples} measured values of the canary: does it get traffic?`;
  return [{ code: 'no-data', message }];
}

function isJudged(metric: MetricVerdict): boolean {
  return metric.class === 'pass' || isFailed(metric);
}

function isFailed(metric: MetricVerdict): boolean {
  return metric.class === 'high' || metric.class === 'low';
}

function weightOf(metrics: readonly MetricVerdict[]): number {
  return metrics.reduce((sum, { weight }) => sum + weight, 0);
}

function rounded(score: number): number {
  return Math.round(score * 100) / 100;
}
