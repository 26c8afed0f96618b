import type { ProbeMetric, SamplePoint } from '@sluice/domain';
import {
  listProbeSamples,
  type Pool,
  type ProbeSampleRecord,
  withTenant,
} from '@sluice/persistence';
import {
  type AnalysisProvider,
  assertPointCount,
  type ProviderQuery,
  secondsSince,
} from './analysis-provider.ts';

/** Agents' intervals are not shorter. Seconds. */
const LEAST_INTERVAL_SECONDS = 5;

/** Rows that one query reads. */
const MAX_ROWS = 100_000;

/**
 * What the agents measured of their own services: one point for each target and each step. A canary's samples count while its agent
 * says that the new release is active there, a baseline's while any is.
 */
export function createProbesProvider(pool: Pool): AnalysisProvider {
  return {
    kind: 'probes',
    query: async (asked, { tenantId, releaseDigest }) => {
      const targets = chooseTargets(asked);
      const range = {
        from: new Date(asked.from).toISOString(),
        to: new Date(asked.to).toISOString(),
      };
      const rows = await withTenant(
        pool,
        tenantId,
        (tx) => listProbeSamples(tx, targets, range, MAX_ROWS),
        { readOnly: true },
      );
      const counted = rows.filter(({ activeRelease }) =>
        asked.side === 'canary' ? activeRelease === releaseDigest : activeRelease !== null,
      );
      const points = joinSamples(counted, asked);
      assertPointCount(points.length, asked);
      return points;
    },
  };
}

/** So many of the targets, evenly among their names, as have room in a document. */
function chooseTargets({ targets, from, to, stepSeconds, maxPoints }: ProviderQuery): string[] {
  const seconds = Math.max(stepSeconds, LEAST_INTERVAL_SECONDS);
  const each = Math.max(1, Math.ceil((to - from) / 1000 / seconds) + 1);
  const room = Math.max(1, Math.floor(maxPoints / each));
  if (targets.length <= room) return [...targets];
  return Array.from(
    { length: room },
    (_, index) => targets[Math.floor((index * targets.length) / room)] ?? '',
  );
}

interface Joined {
  readonly at: number;
  seconds: number;
  requests: number;
  errors: number;
  /** Answers with a latency, and the sum of it over them. */
  answers: number;
  sum: number;
}

function joinSamples(rows: readonly ProbeSampleRecord[], asked: ProviderQuery): SamplePoint[] {
  const metric = asked.query as ProbeMetric;
  const stepMs = Math.max(asked.stepSeconds, LEAST_INTERVAL_SECONDS) * 1000;
  const joined = new Map<string, Joined>();
  for (const row of rows) {
    const at = Math.floor((Date.parse(row.sampledAt) - asked.from) / stepMs) * stepMs;
    const key = `${row.target} ${at}`;
    const one = joined.get(key) ?? { at, seconds: 0, requests: 0, errors: 0, answers: 0, sum: 0 };
    joined.set(key, one);
    one.seconds += row.seconds;
    one.requests += row.requests;
    one.errors += row.errors;
    const latency = latencyOf(row, metric);
    if (latency !== null) {
      // Percentiles are joined by what they are of: exact where a step is one interval.
      one.answers += row.requests;
      one.sum += latency * row.requests;
    }
  }
  return [...joined.values()]
    .sort((left, right) => left.at - right.at)
    .map((one) => [secondsSince(0, one.at), measure(one, metric)]);
}

function latencyOf(row: ProbeSampleRecord, metric: ProbeMetric): number | null {
  if (metric === 'latency-p50') return row.p50Ms;
  if (metric === 'latency-p90') return row.p90Ms;
  return metric === 'latency-p99' ? row.p99Ms : null;
}

function measure(one: Joined, metric: ProbeMetric): number | null {
  if (metric === 'request-rate') return one.seconds === 0 ? null : one.requests / one.seconds;
  if (metric === 'error-rate') return one.requests === 0 ? null : one.errors / one.requests;
  return one.answers === 0 ? null : one.sum / one.answers;
}
