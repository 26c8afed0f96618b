import { REPORT_WIDTH } from '../demo-report.ts';
import type { ToldService } from '../demo-story.ts';
import type { LoadCount, LoadRecord } from '../load/load-record.ts';
import type { PlotMark, PlotSeries } from '../plot-text.ts';
import { toPlot } from '../plot-text.ts';
import { wrapText } from '../wrap-text.ts';
import type { CanaryStory, ToldRollout, ToldStage } from './canary-told.ts';

/** The document that `--canary --json` prints; times are seconds, shares percent, latencies milliseconds. */
export type CanaryDocument = {
  readonly proxy: CanaryStory['proxy'];
  readonly prometheus: string | null;
  readonly load: {
    readonly perSecond: number;
    readonly requests: number;
    readonly errors: number;
    /** Requests without an answer. */
    readonly lost: number;
    readonly retried: number;
    readonly skipped: number;
  };
  readonly rollouts: readonly {
    readonly promotion: string;
    readonly version: string;
    readonly state: string;
    readonly stages: readonly (ToldStage & {
      readonly new: LoadCount;
      readonly old: LoadCount;
    })[];
    readonly shares: ToldRollout['shares'];
    /** Of all requests of the rollout's time, those that the new version answered. */
    readonly sawNew: number;
    /** From the verdict on; null where nothing failed. */
    readonly trafficOffSeconds: number | null;
    readonly revertedSeconds: number | null;
  }[];
  readonly promotions: readonly {
    readonly id: string;
    readonly release: string;
    readonly state: string;
    readonly evidencePacket: string;
  }[];
  readonly services: readonly ToldService[];
  readonly trustRoot: string;
};

/** The story as a document for programs. */
export function toCanaryDocument(story: CanaryStory): CanaryDocument {
  const { record, perSecond, retried, skipped } = story.load;
  const { requests, errors, lost } = record.span().total;
  return {
    proxy: story.proxy,
    prometheus: story.prometheus,
    load: { perSecond, requests, errors, lost, retried, skipped },
    rollouts: story.rollouts.map((rollout) => ({
      promotion: rollout.promotion,
      version: rollout.version,
      state: rollout.state,
      stages: rollout.stages.map((stage) => ({ ...stage, ...sidesOf(record, rollout, stage) })),
      shares: rollout.shares,
      sawNew: shareOfNew(record, rollout),
      trafficOffSeconds: after(rollout.failedAt, rollout.offAt),
      revertedSeconds: after(rollout.failedAt, rollout.revertedAt),
    })),
    promotions: story.promotions.map(({ promotion, packetFile }) => ({
      id: promotion.id,
      release: `${promotion.release.name}@${promotion.release.version}`,
      state: promotion.state.toLowerCase(),
      evidencePacket: packetFile,
    })),
    services: story.services,
    trustRoot: story.trustRootFile,
  };
}

/** The stages with what was asked and answered in each, for people. */
export function toCanaryTable(story: CanaryStory): string {
  const { record } = story.load;
  const rows = story.rollouts.flatMap((rollout) =>
    rollout.stages.map((stage) => {
      const sides = sidesOf(record, rollout, stage);
      return [
        ...[rollout.promotion, rollout.version, stage.name, String(stage.targets)],
        stage.share === null ? '–' : `${stage.share} %`,
        ...describeSide(sides.new),
        ...describeSide(sides.old),
        stage.outcome === null ? '–' : describeVerdict(stage),
      ];
    }),
  );
  const head = ['promotion', 'version', 'stage', 'on', 'share'];
  const side = (name: string): string[] => [name, 'errors', 'p95'];
  const table = [[...head, ...side('new'), ...side('old'), 'verdict'], ...rows];
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const lines = table.map((row) =>
    row
      .map((cell, column) =>
        column >= 3 && column <= 10
          ? cell.padStart(widths[column] ?? 0)
          : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const rule = '─'.repeat(Math.max(...lines.map((line) => line.length)));
  return [
    ...[lines[0], rule, ...lines.slice(1), rule],
    'on: targets with the new version; new, old: requests that each version answered, p95 in ms',
    ...story.rollouts.flatMap((rollout) => describeRollout(record, rollout)),
    '',
    describeLoad(story),
    ...['', 'now answering:'],
    ...story.services.map(
      ({ target, url, version }) => `  ${target.padEnd(10)}  ${version ?? 'nothing'}  ${url}`,
    ),
  ].join('\n');
}

/** Of the plot: with more of them there are too few requests in each to tell a share of errors. */
const COLUMNS = 60;

/** Errors, latency and the share of requests over time, each version with its sign. */
export function toCanaryPlot(story: CanaryStory, width = REPORT_WIDTH): string {
  const { record } = story.load;
  const seconds = Math.max(1, Math.ceil(record.length / COLUMNS));
  const spans = record.spans(seconds);
  const versions = [...new Set(spans.flatMap((span) => Object.keys(span.versions)))].sort();
  const signs = signsOf(versions);
  const seriesOf = (valueOf: (count: LoadCount, all: LoadCount) => number | null): PlotSeries[] =>
    versions.map((version) => ({
      name: version,
      sign: signs.get(version) ?? '?',
      values: spans.map(({ versions: of, total }) => {
        const count = of[version];
        return count === undefined ? null : valueOf(count, total);
      }),
    }));
  return toPlot({
    panels: [
      {
        ...{ title: 'requests answered by', unit: '% of all', atLeast: 100 },
        series: seriesOf((count, all) => (100 * count.requests) / all.requests),
      },
      {
        ...{ title: 'errors', unit: '% of the version’s answers', isClipped: true },
        series: seriesOf((count) => (100 * count.errors) / count.requests),
      },
      {
        ...{ title: 'latency p95', unit: 'ms, ^ is more', isClipped: true },
        series: seriesOf((count) => count.p95),
      },
    ],
    seconds,
    marks: marksOf(story),
    width,
  });
}

const SIGNS = ['·', '#', '+', 'o', '*'];

function signsOf(versions: readonly string[]): ReadonlyMap<string, string> {
  return new Map(versions.map((version, place) => [version, SIGNS[place % SIGNS.length] ?? '?']));
}

function marksOf({ rollouts }: CanaryStory): PlotMark[] {
  const marks = rollouts.flatMap(({ promotion, version, from, to, failedAt, offAt, ...told }) => [
    { at: from, text: `${promotion}: ${version} begins` },
    ...(failedAt === null ? [] : [{ at: failedAt, text: `${version} is found to be worse` }]),
    ...(offAt === null ? [] : [{ at: offAt, text: `no request goes to ${version} any more` }]),
    ...(told.revertedAt === null
      ? []
      : [{ at: told.revertedAt, text: 'every target is as it was before' }]),
    ...(told.state === 'succeeded' ? [{ at: to, text: `${version} is everywhere` }] : []),
  ]);
  return marks
    .sort((left, right) => left.at - right.at)
    .map((mark, place) => ({ ...mark, sign: String.fromCharCode(65 + (place % 26)) }));
}

function sidesOf(
  record: LoadRecord,
  { version, before }: ToldRollout,
  { from, to }: ToldStage,
): { readonly new: LoadCount; readonly old: LoadCount } {
  const { versions } = record.span(from, to);
  const none = { requests: 0, errors: 0, lost: 0, p50: null, p95: null };
  return { new: versions[version] ?? none, old: versions[before] ?? none };
}

function shareOfNew(record: LoadRecord, { version, from, to }: ToldRollout): number {
  const { versions, total } = record.span(from, to);
  return total.requests === 0 ? 0 : (100 * (versions[version]?.requests ?? 0)) / total.requests;
}

function describeSide({ requests, errors, p95 }: LoadCount): string[] {
  const share = requests === 0 ? '–' : `${((100 * errors) / requests).toFixed(1)} %`;
  return [String(requests), share, p95 === null ? '–' : p95.toFixed(0)];
}

function describeVerdict({ outcome, score }: ToldStage): string {
  return score === null ? `${outcome}` : `${outcome}, ${score.toFixed(0)} of 100`;
}

function describeRollout(record: LoadRecord, rollout: ToldRollout): string[] {
  const { promotion, version, state, failedAt, offAt, revertedAt, stages } = rollout;
  const saw = shareOfNew(record, rollout).toFixed(1);
  const head = `${promotion} (${version}) ${state}; ${saw} % of the requests in its time saw ${version}`;
  if (failedAt === null) return ['', head];
  const why = stages.find(({ outcome }) => outcome === 'fail')?.reason ?? 'no reason was given';
  const seconds = (at: number | null): string =>
    at === null ? 'never' : `${(at - failedAt).toFixed(1)} s later`;
  return [
    ...['', head],
    ...wrapText(`found worse: ${why}`, REPORT_WIDTH - 2).map((line) => `  ${line}`),
    `  no request went to it: ${seconds(offAt)}`,
    `  every target as it was before: ${seconds(revertedAt)}`,
  ];
}

function describeLoad({ load, proxy }: CanaryStory): string {
  const { requests, lost } = load.record.span().total;
  return `${requests} requests through ${proxy.kind} ${proxy.version}, ${load.perSecond} a second; lost: ${lost}`;
}

function after(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : to - from;
}
