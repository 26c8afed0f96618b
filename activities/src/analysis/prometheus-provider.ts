import { cutText } from '@sluice/domain';
import type { OutboundClient } from '../outbound/outbound-client.ts';
import {
  type AnalysisProvider,
  AnalysisProviderError,
  assertPointCount,
  gridOf,
  type ProviderQuery,
  type ProviderReach,
  secondsSince,
} from './analysis-provider.ts';
import { askJson } from './ask-json.ts';
import type { ProviderAccess } from './provider-access.ts';
import { fillPromql } from './query-template.ts';

/**
 * Prometheus, and what speaks its HTTP API: one `query_range` for one side of one metric. NaN, infinities and times without a value are null;
 * an answer of several series is refused, for nobody knows how to join them.
 */
export function createPrometheusProvider(
  client: OutboundClient,
  access: ProviderAccess,
): AnalysisProvider {
  return {
    kind: 'prometheus',
    query: async (asked, reach) => {
      const times = gridOf(asked);
      if (times.length === 0) return [];
      assertPointCount(times.length, asked);
      const values = await askRange(client, access, asked, times, reach);
      return times.map((at) => [secondsSince(asked.from, at), values.get(at) ?? null]);
    },
  };
}

async function askRange(
  client: OutboundClient,
  access: ProviderAccess,
  asked: ProviderQuery,
  times: readonly number[],
  reach: ProviderReach,
): Promise<ReadonlyMap<number, number>> {
  const { url, headers, timeoutMs } = await access.open(reach);
  const { status, value } = await askJson(client, {
    method: 'POST',
    url: `${url.replace(/\/+$/, '')}/api/v1/query_range`,
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      query: fillPromql(asked),
      start: String((times[0] ?? 0) / 1000),
      end: String((times.at(-1) ?? 0) / 1000),
      step: String(asked.stepSeconds),
      timeout: `${Math.max(1, Math.floor(timeoutMs / 1000))}s`,
    }).toString(),
    timeoutMs,
    cancellation: reach.cancellation,
  });
  const answer = value as {
    readonly status?: unknown;
    readonly error?: unknown;
    readonly data?: { readonly resultType?: unknown; readonly result?: unknown };
  } | null;
  if (answer?.status === 'error') {
    throw new AnalysisProviderError(
      'analysis-query-refused',
      `It refused the query: ${cutText(String(answer.error), 300)}`,
    );
  }
  if (status !== 200) {
    throw new AnalysisProviderError('analysis-query-refused', `It answered HTTP ${status}.`);
  }
  const result = answer?.data?.result;
  if (
    answer?.status !== 'success' ||
    answer.data?.resultType !== 'matrix' ||
    !Array.isArray(result)
  ) {
    throw wrong();
  }
  if (result.length > 1) {
    throw new AnalysisProviderError(
      'analysis-series-many',
      `It answered with ${result.length} series: aggregate in the query, with sum(…) or avg(…).`,
    );
  }
  return readSeries(result[0]);
}

/** Milliseconds → value; what is not finite is left out. */
function readSeries(series: unknown): ReadonlyMap<number, number> {
  const values = new Map<number, number>();
  if (series === undefined) return values;
  const points = (series as { readonly values?: unknown } | null)?.values;
  if (!Array.isArray(points)) throw wrong();
  for (const point of points as readonly unknown[]) {
    if (!Array.isArray(point) || typeof point[0] !== 'number' || typeof point[1] !== 'string') {
      throw wrong();
    }
    const value = Number(point[1]);
    if (Number.isFinite(value)) values.set(Math.round(point[0] * 1000), value);
  }
  return values;
}

function wrong(): AnalysisProviderError {
  return new AnalysisProviderError(
    'analysis-answer-wrong',
    'Its answer is no range of Prometheus’ HTTP API: check the URL.',
  );
}
