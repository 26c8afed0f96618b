import type { AnalysisDocument, MetricVerdict } from '@sluice/domain';
import type { StageAnalysisView } from './analysis-operations.ts';
import { PLOT_LEGEND, plot, shortNumber } from './analysis-plot.ts';
import { type Column, table, wrapped } from './text-layout.ts';

/** Which stage it is of. */
export interface AnalysisPlace {
  readonly promotion: string;
  readonly step: string;
  readonly stage: { readonly index: number; readonly name: string };
}

/** Words for what a stage came to. */
const OUTCOMES: Readonly<Record<StageAnalysisView['outcome'], string>> = {
  PASS: 'passed',
  FAIL: 'failed',
  INCONCLUSIVE: 'nobody can say',
};

const COLUMNS: readonly Column[] = [
  { title: 'METRIC', shrinks: true },
  { title: 'CLASS' },
  { title: 'NEW' },
  { title: 'OLD' },
  { title: 'RATIO' },
  { title: 'SHIFT' },
  { title: 'P' },
  { title: 'ALPHA' },
  { title: 'N' },
];

/** Verdict, metrics and plots of one stage. */
export function describeAnalysis(
  place: AnalysisPlace,
  analysis: StageAnalysisView,
  document: AnalysisDocument | null,
): string {
  const { index, name } = place.stage;
  const title = `${place.promotion}, step ${place.step}, stage ${index} (${name}): ${OUTCOMES[analysis.outcome]}`;
  const score = analysis.score === null ? '' : `, score ${shortNumber(analysis.score)} of 100`;
  const head = wrapped(`${title}${score}.`, 2);
  const reason = analysis.reason === null ? '' : wrapped(reasonOf(analysis.reason), 2);
  if (document === null) {
    return `${head}${reason}${wrapped('  No metrics were compared: health alone was watched.', 2)}`;
  }
  const { canary, baseline } = document.targets;
  const targets = wrapped(
    `  New on ${canary.length} of ${canary.length + baseline.length} targets that serve; look ${document.look} of ${document.rules.looks}, samples from ${document.from} to ${document.to}.`,
    2,
  );
  const alone =
    baseline.length === 0
      ? wrapped(
          '  Nothing was compared: no target served the old version. Metrics with a threshold were judged by it.',
          2,
        )
      : '';
  const rows = document.verdict.metrics.map(rowOf);
  const metrics = document.verdict.metrics.map((metric) => describeMetric(metric, document));
  return `${head}${reason}${targets}${alone}\n${table(COLUMNS, rows)}\n${metrics.join('\n')}\n${PLOT_LEGEND}\n`;
}

function reasonOf({ code, message }: { readonly code: string; readonly message: string }): string {
  return `  ${message} (${code})`;
}

function rowOf(metric: MetricVerdict): string[] {
  const { name, critical, statistics, ratio, shift, pValue, alpha } = metric;
  const { canary, baseline } = statistics;
  return [
    critical ? `${name} !` : name,
    metric.class,
    shortNumber(canary.mean),
    shortNumber(baseline.mean),
    ratio === null ? '-' : shortNumber(ratio),
    shift === null ? '-' : shortNumber(shift.estimate),
    shortNumber(pValue),
    shortNumber(alpha),
    `${canary.count}/${baseline.count}`,
  ];
}

function describeMetric(metric: MetricVerdict, document: AnalysisDocument): string {
  const asked = document.metrics.find(({ name }) => name === metric.name);
  const trouble = asked?.trouble ?? null;
  if (trouble !== null) return wrapped(`${metric.name}: ${trouble.message} (${trouble.code})`, 2);
  const title = wrapped(`${metric.name}: ${metric.reason}`, 2);
  if (asked === undefined) return title;
  const seconds = (Date.parse(document.to) - Date.parse(document.from)) / 1000;
  return `${title}${plot(asked, Math.max(1, seconds), document.stepSeconds)}`;
}
