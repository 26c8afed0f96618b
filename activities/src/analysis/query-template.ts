import { AnalysisProviderError, type ProviderQuery } from './analysis-provider.ts';

/** What stands between `{{` and `}}` in queries, and nothing else. */
export const QUERY_PLACEHOLDERS = ['targets', 'interval', 'side', 'from', 'to', 'step'] as const;

type Placeholder = (typeof QUERY_PLACEHOLDERS)[number];

const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g;

/**
 * Fills in a query of PromQL. `{{targets}}` is a regular expression of the names, for a matcher in double quotes (`instance=~"{{targets}}"`),
 * which Prometheus anchors at both ends; `{{interval}}` is the step as a duration, `{{side}}` canary or baseline.
 * @throws AnalysisProviderError `analysis-query-refused` for any other placeholder
 */
export function fillPromql(asked: ProviderQuery): string {
  return fill(asked.query, {
    targets: `(?:${asked.targets.map(escapeForMatcher).join('|')})`,
    interval: `${asked.stepSeconds}s`,
    side: asked.side,
  });
}

/** A range that PromQL looks back over: `[1m]`, `[1h30m:10s]`. */
const RANGE = /\[\s*((?:\d+(?:ms|[smhdwy]))+)\s*(?::[^\]]*)?\]/g;

const UNITS: Readonly<Record<string, number>> = {
  ms: 0.001,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  y: 31_536_000,
};

/** Steps that a range may reach over. */
const MAX_RANGE_STEPS = 2;

/**
 * Points that look back over the same time say the same thing again, and the judge takes them for more than they are: from three steps on,
 * false alarms grow.
 * @param promql filled in or not
 * @throws AnalysisProviderError `analysis-query-refused`
 */
export function assertRanges(promql: string, stepSeconds: number): void {
  for (const [whole, duration = ''] of promql.matchAll(RANGE)) {
    const parts = [...duration.matchAll(/(\d+)(ms|[smhdwy])/g)];
    const seconds = parts.reduce((sum, [, count, unit = 's']) => {
      return sum + Number(count) * (UNITS[unit] ?? 1);
    }, 0);
    if (seconds <= MAX_RANGE_STEPS * stepSeconds) continue;
    throw new AnalysisProviderError(
      'analysis-query-refused',
      `Its query looks back over ${whole} at each step of ${stepSeconds} s, so that samples share most of what they measure: write [{{interval}}], and a stepSeconds of at least two scrapes.`,
    );
  }
}

/**
 * Fills in a path with its query: each value is encoded. `{{targets}}` are the names with commas between, `{{from}}` and `{{to}}` RFC 3339,
 * `{{step}}` seconds, `{{side}}` canary or baseline.
 * @throws AnalysisProviderError `analysis-query-refused` for any other placeholder
 */
export function fillPath(asked: ProviderQuery): string {
  const encode = encodeURIComponent;
  return fill(asked.query, {
    targets: asked.targets.map(encode).join(','),
    side: asked.side,
    from: encode(new Date(asked.from).toISOString()),
    to: encode(new Date(asked.to).toISOString()),
    step: String(asked.stepSeconds),
  });
}

function fill(text: string, values: Readonly<Partial<Record<Placeholder, string>>>): string {
  return text.replace(PLACEHOLDER, (_whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name as Placeholder] : undefined;
    if (value !== undefined) return value;
    throw new AnalysisProviderError(
      'analysis-query-refused',
      `Its query has {{${name.slice(0, 40)}}}; there is ${Object.keys(values)
        .map((known) => `{{${known}}}`)
        .join(', ')}.`,
    );
  });
}

/** Twice: for the expression, and for the text in quotes that it stands in. */
function escapeForMatcher(name: string): string {
  const escaped = name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return escaped.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n');
}
