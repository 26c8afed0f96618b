import pg from 'pg';

const { builtins } = pg.types;

/**
 * How values come out of Postgres here: `timestamptz` as RFC 3339 text in UTC (a `Date` would cut the
 * microseconds that cursors and hashes need), `bigint` as a number that is proven safe.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === builtins.TIMESTAMPTZ) return parseInstant;
    if (oid === builtins.INT8) return parseBigint;
    return pg.types.getTypeParser(oid, format as 'text');
  }) as pg.CustomTypesConfig['getTypeParser'],
};

function parseInstant(text: string): string {
  if (!text.endsWith('+00')) {
    throw new Error(`Instant ${text} is not in UTC: the session's time zone was changed.`);
  }
  return `${text.slice(0, -3).replace(' ', 'T')}Z`;
}

function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`Number ${text} is too large to be exact.`);
  return value;
}
