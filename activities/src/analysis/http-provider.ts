import type { SamplePoint } from '@sluice/domain';
import type { OutboundClient } from '../outbound/outbound-client.ts';
import {
  type AnalysisProvider,
  AnalysisProviderError,
  assertPointCount,
  type ProviderQuery,
  secondsSince,
  valueOf,
} from './analysis-provider.ts';
import { askJson } from './ask-json.ts';
import { followPointer } from './json-pointer.ts';
import type { ProviderAccess } from './provider-access.ts';
import { fillPath } from './query-template.ts';

/**
 * A service that answers a GET with JSON: at the metric's pointer a list of numbers and nulls, one a step since the range began, or of
 * `{at, value}` with `at` in RFC 3339 or seconds since the epoch.
 */
export function createHttpProvider(
  client: OutboundClient,
  access: ProviderAccess,
): AnalysisProvider {
  return {
    kind: 'http',
    query: async (asked, reach) => {
      const { url, headers, timeoutMs } = await access.open(reach);
      const { status, value } = await askJson(client, {
        method: 'GET',
        url: join(url, fillPath(asked)),
        headers,
        timeoutMs,
        cancellation: reach.cancellation,
      });
      if (status !== 200) {
        throw new AnalysisProviderError('analysis-query-refused', `It answered HTTP ${status}.`);
      }
      return readPoints(value, asked);
    },
  };
}

/** A query never leads to another host: it is joined to the provider's own URL. */
function join(base: string, path: string): string {
  const joined = path.startsWith('?')
    ? `${base}${path}`
    : `${base.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
  if (URL.canParse(joined) && new URL(joined).origin === new URL(base).origin) return joined;
  throw new AnalysisProviderError(
    'analysis-query-refused',
    'Its query is no path below the provider’s URL: begin it with / or ?.',
  );
}

function readPoints(value: unknown, asked: ProviderQuery): readonly SamplePoint[] {
  const { pointer, from, to, stepSeconds } = asked;
  const list = pointer === null ? value : followPointer(value, pointer);
  if (!Array.isArray(list)) {
    const where = pointer === null || pointer === '' ? 'Its answer' : `What stands at ${pointer}`;
    throw new AnalysisProviderError(
      'analysis-answer-wrong',
      `${where} is no list: give numbers, nulls or {at, value}, and name the place by pointer.`,
    );
  }
  assertPointCount(list.length, asked);
  const points = list.map((one: unknown, index): readonly [number, number | null] => {
    if (one === null || typeof one === 'number') {
      return [from + (index + 1) * stepSeconds * 1000, valueOf(one)];
    }
    const { at, value: measured } = one as { readonly at?: unknown; readonly value?: unknown };
    const time = readTime(at);
    if (time === undefined || (measured !== null && typeof measured !== 'number')) {
      throw new AnalysisProviderError(
        'analysis-answer-wrong',
        `Its point ${index} is neither a number, nor null, nor {at, value}.`,
      );
    }
    return [time, valueOf(measured)];
  });
  return points
    .filter(([at]) => at >= from && at <= to)
    .sort(([left], [right]) => left - right)
    .map(([at, measured]) => [secondsSince(from, at), measured]);
}

/** Milliseconds since the epoch. */
function readTime(at: unknown): number | undefined {
  const time =
    typeof at === 'number' ? at * 1000 : typeof at === 'string' ? Date.parse(at) : Number.NaN;
  return Number.isFinite(time) ? time : undefined;
}
