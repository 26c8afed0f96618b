import pg from 'pg';
import { MIGRATIONS_FOLDER, type Migration, readMigrations } from './migration-files.ts';
import { PersistenceError } from './persistence-error.ts';
import { ensureRoles, findMissingRoles, OWNER_ROLE, type RolePasswords } from './roles.ts';

/** Who migrates: the owner role, once the roles exist, or a superuser, who makes them first. */
export type MigrateOptions = (
  | { readonly superuserUrl: string; readonly rolePasswords: RolePasswords }
  | { readonly ownerUrl: string }
) & {
  /** The repository's `migrations/` when absent. */
  readonly folder?: string;
};

/** What a run of the migrations did. */
export interface MigrateResult {
  /** File names, in order; empty when nothing was new. */
  readonly applied: readonly string[];
  /** Migrations that stand in the database now. */
  readonly total: number;
}

/** `sluice` and `migrate` as a number: the same in every process, in no other program. */
const LOCK = 0x736c7563_6d6967n;

/**
 * Brings a database up to date: each migration in a transaction of its own, recorded by name and digest. Runs
 * that start at the same time take turns; the later one finds nothing to do. All is done as the role
 * sluice_owner.
 * @throws PersistenceError `migration-mismatch` when an applied file was changed or is gone,
 * `migration-failed` when one does not run: those before it stay applied
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const migrations = await readMigrations(options.folder ?? MIGRATIONS_FOLDER);
  const client = new pg.Client({
    connectionString: 'superuserUrl' in options ? options.superuserUrl : options.ownerUrl,
    application_name: 'sluice-migrate',
    connectionTimeoutMillis: 10_000,
    lock_timeout: 60_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    if ('superuserUrl' in options) await ensureRoles(client, options.rolePasswords);
    await client.query(`set role ${OWNER_ROLE}`);
    await client.query(`select pg_advisory_lock(${LOCK})`);
    const done = await readApplied(client);
    assertSame(done, migrations);
    const fresh = migrations.slice(done.length);
    if (fresh.length > 0) await assertRoles(client);
    for (const migration of fresh) await apply(client, migration);
    return { applied: fresh.map(({ name }) => name), total: migrations.length };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function assertRoles(client: pg.Client): Promise<void> {
  const missing = await findMissingRoles(client);
  if (missing.length === 0) return;
  throw new PersistenceError(
    'migration-failed',
    `The server has no role ${missing.join(', ')}: migrate to this version once as a superuser, who makes it. Nothing was changed.`,
  );
}

interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly digest: string;
}

async function readApplied(client: pg.Client): Promise<readonly AppliedMigration[]> {
  const found = await client.query<{ known: boolean }>(
    `select to_regclass('sluice.schema_migrations') is not null as known`,
  );
  if (found.rows[0]?.known !== true) return [];
  const { rows } = await client.query<AppliedMigration>(
    'select number, name, digest from sluice.schema_migrations order by number',
  );
  return rows;
}

function assertSame(applied: readonly AppliedMigration[], onDisk: readonly Migration[]): void {
  for (const [index, row] of applied.entries()) {
    const file = onDisk[index];
    const problem =
      file === undefined || file.name !== row.name
        ? `${row.name} was applied, but this version of Sluice does not have it: run the version that wrote this database, or a newer one.`
        : file.digest !== row.digest
          ? `${row.name} was changed after it was applied: put it back and write a new migration.`
          : undefined;
    if (problem !== undefined) throw new PersistenceError('migration-mismatch', problem);
  }
}

async function apply(client: pg.Client, { number, name, digest, sql }: Migration): Promise<void> {
  try {
    await client.query('begin');
    await client.query(sql);
    await client.query(
      'insert into sluice.schema_migrations (number, name, digest) values ($1, $2, $3)',
      [number, name, digest],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    const { message, position } = error as { message?: string; position?: string };
    const line = position === undefined ? '' : ` line ${lineOf(sql, Number(position))}`;
    throw new PersistenceError(
      'migration-failed',
      `Migration ${name}${line} does not run: ${message ?? String(error)}. Nothing of it was kept.`,
      { cause: error },
    );
  }
}

function lineOf(sql: string, position: number): number {
  return [...sql].slice(0, position - 1).filter((character) => character === '\n').length + 1;
}
