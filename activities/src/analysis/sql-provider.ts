import { cutText, type SamplePoint } from '@sluice/domain';
import pg from 'pg';
import {
  type AnalysisProvider,
  AnalysisProviderError,
  assertPointCount,
  type ProviderQuery,
  secondsSince,
  valueOf,
} from './analysis-provider.ts';
import type { ProviderAccess } from './provider-access.ts';

/** All values as their text: what a database calls a number, this file reads. */
const TEXTS = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;

/**
 * A query of Postgres in a read-only transaction with a time limit: rows `at` (timestamptz) and `value`. Its values are bound: `$1` names of the
 * targets (text[]), `$2` from, `$3` to (timestamptz), `$4` the step in seconds (integer).
 */
export function createSqlProvider(access: ProviderAccess): AnalysisProvider {
  return {
    kind: 'sql',
    query: async (asked, reach) => {
      const { url, timeoutMs } = await access.open(reach);
      const { cancellation } = reach;
      cancellation.throwIfAborted();
      const client = new pg.Client({
        connectionString: url,
        connectionTimeoutMillis: timeoutMs,
        query_timeout: timeoutMs + 1000,
        statement_timeout: timeoutMs,
        application_name: 'sluice-analysis',
        types: TEXTS,
      });
      // What it says after it was ended is nobody's.
      client.on('error', () => undefined);
      const onCancel = (): void => void client.end().catch(() => undefined);
      cancellation.addEventListener('abort', onCancel, { once: true });
      try {
        await client.connect();
        return await ask(client, asked);
      } catch (error) {
        cancellation.throwIfAborted();
        throw translate(error);
      } finally {
        cancellation.removeEventListener('abort', onCancel);
        await client.end().catch(() => undefined);
      }
    },
  };
}

async function ask(client: pg.Client, asked: ProviderQuery): Promise<readonly SamplePoint[]> {
  await client.query('begin transaction read only');
  const { targets, from, to, stepSeconds, maxPoints } = asked;
  const { rows } = await client.query<{ at: string | null; value: string | null }>(
    wrap(asked.query, maxPoints + 1),
    [targets, new Date(from).toISOString(), new Date(to).toISOString(), stepSeconds],
  );
  await client.query('rollback');
  assertPointCount(rows.length, asked);
  return rows
    .flatMap((row): SamplePoint[] => {
      const at = row.at === null ? Number.NaN : Number(row.at) * 1000;
      if (!(at >= from && at <= to)) return [];
      return [[secondsSince(from, at), row.value === null ? null : valueOf(Number(row.value))]];
    })
    .sort(([left], [right]) => left - right);
}

/** Names the types of what is bound before the query is read, so that it may leave some of it out; and bounds its rows. */
function wrap(query: string, limit: number): string {
  return `with sluice_given as (select $1::text[] as targets, $2::timestamptz as since, $3::timestamptz as until, $4::integer as step)
select extract(epoch from found.at::timestamptz)::float8 as at, found.value::float8 as value
  from (
${query.replace(/;\s*$/, '')}
  ) as found
 limit ${limit}`;
}

/** Class of codes with which Postgres says that the statement is wrong, or not allowed. */
const REFUSED = /^(?:0A|22|25|42|54)/;

function translate(error: unknown): unknown {
  if ((error as { name?: unknown }).name === 'AnalysisProviderError') return error;
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  if (code === '57014') {
    return new AnalysisProviderError(
      'analysis-provider-down',
      'The query took too long and was ended: make it faster, or give the provider a longer timeoutSeconds.',
    );
  }
  if (typeof code === 'string' && REFUSED.test(code)) {
    return new AnalysisProviderError(
      'analysis-query-refused',
      `Postgres refused the query (${code}): ${cutText(message ?? '', 300)}`,
    );
  }
  // A message of the connection can hold its host and user.
  const known = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : 'no connection';
  return new AnalysisProviderError(
    'analysis-provider-down',
    `The database did not answer (${known}).`,
  );
}
