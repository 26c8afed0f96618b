import { isName } from '@sluice/domain';
import { isStatementOutdated, isTransactionConflict } from './database-errors.ts';
import { PersistenceError } from './persistence-error.ts';
import type { Pool, PoolConnection, QueryAnswer, Queryable } from './pool.ts';

/** A transaction that sees one tenant's rows and no others. */
export interface Tx extends Queryable {
  readonly tenantId: string;
}

/** How a transaction runs. */
export interface TransactionOptions {
  /** `read committed` when absent. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /** Refuses every write; false when absent. */
  readonly readOnly?: boolean;
  /** Tries at most, when other transactions are in the way (deadlock, serialization); 4 when absent. */
  readonly attempts?: number;
}

/**
 * Runs `work` in one transaction in which row-level security lets through this tenant's rows only.
 * Committed when `work` resolves, rolled back when it rejects; run again from the start after a lost race,
 * so `work` must have no effects outside of the database.
 */
export async function withTenant<T>(
  pool: Pool,
  tenantId: string,
  work: (tx: Tx) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  if (!isName(tenantId)) {
    throw new PersistenceError('tenant-invalid', `"${tenantId}" is no tenant id: use a DNS label.`);
  }
  // One round trip: the name can hold nothing that needs quoting.
  const opening = `${beginOf(options)}; select set_config('sluice.tenant_id', '${tenantId}', true)`;
  return attempt(pool, opening, (query) => work({ tenantId, ...query }), options);
}

/**
 * Runs `work` in one transaction of no tenant: only for roles that have a policy of their own (relay,
 * linker) and for the definer functions.
 */
export async function inTransaction<T>(
  pool: Pool,
  work: (tx: Queryable) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  return attempt(pool, beginOf(options), work, options);
}

function beginOf({ isolation, readOnly }: TransactionOptions): string {
  const mode = readOnly === true ? ' read only' : '';
  return `begin isolation level ${isolation ?? 'read committed'}${mode}`;
}

async function attempt<T>(
  pool: Pool,
  opening: string,
  work: (tx: Queryable) => Promise<T>,
  { attempts = 4 }: TransactionOptions,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await once(pool, opening, work);
    } catch (error) {
      const isPassing = isTransactionConflict(error) || isStatementOutdated(error);
      if (tried >= attempts || !isPassing) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5 * 2 ** tried * (0.5 + Math.random())));
    }
  }
}

async function once<T>(
  pool: Pool,
  opening: string,
  work: (tx: Queryable) => Promise<T>,
): Promise<T> {
  const connection = await pool.connect();
  let open = true;
  let broken = true;
  const query = <Row>(
    sql: string,
    values?: readonly unknown[],
    name?: string,
  ): Promise<QueryAnswer<Row>> => {
    // A statement after the end would run in another caller's transaction.
    if (!open) return Promise.reject(new Error('This transaction has ended: await every query.'));
    return connection.query<Row>(sql, values, name);
  };
  try {
    await connection.query(opening);
    const result = await work({ query });
    open = false;
    const { command } = await connection.query('commit');
    broken = false;
    // A failed statement whose error was swallowed makes the server roll back without an error.
    if (command !== 'COMMIT') {
      throw new Error('The transaction was rolled back: a statement in it failed and was ignored.');
    }
    return result;
  } catch (error) {
    open = false;
    if (broken) broken = !(await rollback(connection)) || isStatementOutdated(error);
    throw error;
  } finally {
    connection.release(broken);
  }
}

async function rollback(connection: PoolConnection): Promise<boolean> {
  try {
    await connection.query('rollback');
    return true;
  } catch {
    // The connection is gone, and with it the transaction: the first error tells the caller more.
    return false;
  }
}
