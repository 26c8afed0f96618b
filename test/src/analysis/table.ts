import { errorRate, type LatencyShape, latency } from './models.ts';
import type { StageSetting } from './trials.ts';

/** One row of a table: what was set, and the stage that plays it. */
export interface TableRow {
  readonly label: readonly (string | number)[];
  readonly setting: StageSetting;
}

/** A published curve. */
export interface CurveTable {
  readonly name: string;
  readonly title: string;
  /** Names of what a row sets. */
  readonly columns: readonly string[];
  /** Whether a failure is a false alarm (the canary is as its baseline) or what is wanted; both where rows differ. */
  readonly failure: 'false-alarm' | 'detection';
  /** Adds what it would be without correction. */
  readonly contrast: boolean;
  readonly rows: readonly TableRow[];
}

/** Points a side of a stage that says nothing of its step. */
export const POINTS = 60;

/** Share of requests that fail on the baseline. */
export const BASE_ERRORS = 0.005;

/** A stage of such metrics whose points come evenly. */
export function stage(setting: {
  readonly looks: number;
  readonly points?: number;
  readonly metrics: StageSetting['metrics'];
}): StageSetting {
  const { looks, points = POINTS, metrics } = setting;
  return { looks, metrics, pointsAt: (look) => Math.round((points * look) / looks) };
}

/** How one side of a metric is drawn. */
export type Side = StageSetting['metrics'][number]['canary'];

/** Canary and baseline of a metric. */
export function sides(canary: Side, baseline: Side): { canary: Side; baseline: Side } {
  return { canary, baseline };
}

/** Side of a mean latency. */
export function lat(requests: number, shape?: LatencyShape): Side {
  return () => latency(requests, shape);
}

/** Side of a share of errors, so many times that of the baseline. */
export function errors(requests: number, times: number): Side {
  return () => errorRate(requests, BASE_ERRORS * times);
}

/** A share in words. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
