import pg from 'pg';
import { typeParsers } from './type-parsers.ts';

/** What a query gives back. */
export interface QueryAnswer<Row> {
  readonly rows: readonly Row[];
  /** Rows that were returned or changed. */
  readonly rowCount: number;
  /** What was done, as the server names it: `SELECT`, `COMMIT`, `ROLLBACK`. */
  readonly command: string;
}

/**
 * Something that runs one statement. In rows, `timestamptz` is RFC 3339 text in UTC with up to six decimals,
 * `bigint` a safe integer, `jsonb` a parsed value.
 */
export interface Queryable {
  /**
   * @param name the statement is parsed and planned once on each connection, and found again by this name. For those that run with every
   *   step; the same text every time
   */
  query<Row = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
    name?: string,
  ): Promise<QueryAnswer<Row>>;
}

/** A bounded set of connections of one role. */
export interface Pool extends Queryable {
  /** A connection of its own, for `withTenant` and its like; give it back with `release`. */
  connect(): Promise<PoolConnection>;
  /** Waits for what is running, then closes every connection. Calling it again does nothing. */
  close(): Promise<void>;
}

/** One connection, taken from a pool. */
export interface PoolConnection extends Queryable {
  /** @param broken true closes the connection instead of giving it back */
  release(broken?: boolean): void;
}

/** How a pool behaves; only the first two must be given. */
export interface PoolOptions {
  readonly connectionString: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Connections at most; 10 when absent. */
  readonly max?: number;
  /** Ends a statement that runs longer; 30 000 ms when absent. */
  readonly statementTimeoutMs?: number;
  /** How long a caller waits for a connection; 10 000 ms when absent. */
  readonly connectTimeoutMs?: number;
  /** Told when an idle connection breaks, as when Postgres restarts. The pool heals by itself. */
  readonly onConnectionError?: (error: Error) => void;
}

/** Makes a pool; it connects when first used, so this never fails for a server that is not up yet. */
export function createPool(options: PoolOptions): Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementTimeoutMs,
    // The server may be gone without a word: then the client ends the wait itself.
    query_timeout: statementTimeoutMs + 5_000,
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
    options: '-c timezone=UTC',
    types: typeParsers,
  });
  const report = options.onConnectionError ?? (() => undefined);
  pool.on('error', report);
  // While a connection is lent out its errors are nobody's: without this one the process would end.
  pool.on('connect', (client) => client.on('error', () => undefined));
  let closing: Promise<void> | undefined;
  return {
    query: (sql, values, name) => run(pool, sql, values, name),
    connect: async () => {
      const client = await pool.connect();
      return {
        query: (sql, values, name) => run(client, sql, values, name),
        release: (broken) => client.release(broken === true),
      };
    },
    close: () => (closing ??= pool.end()),
  };
}

async function run<Row>(
  client: pg.Pool | pg.PoolClient,
  sql: string,
  values: readonly unknown[] | undefined,
  name: string | undefined,
): Promise<QueryAnswer<Row>> {
  const given = values === undefined ? undefined : [...values];
  const result = await (name === undefined
    ? client.query(sql, given)
    : client.query({ name, text: sql, values: given ?? [] }));
  return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0, command: result.command };
}
