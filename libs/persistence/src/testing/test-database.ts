import { randomBytes } from 'node:crypto';
import { digestOfBytes } from '@sluice/pure';
import pg from 'pg';
import { migrate } from '../migrate.ts';
import { readMigrations } from '../migration-files.ts';
import { createPool, type Pool, type PoolOptions } from '../pool.ts';
import { openDatabase, ROLES_OF_SLUICE, type SluiceRole } from '../roles.ts';

/** Every role's password on a test server; it guards nothing. */
const PASSWORD = 'sluice-test-only';

/** `sluice` and `test` as a number. */
const LOCK = 0x736c7563_74657374n;

/** A migrated database of a spec file's own. */
export interface TestDatabase {
  readonly name: string;
  /** For setting the scene and for looking behind the policies; never what is tested. */
  readonly superuserUrl: string;
  /** The URL of a role, as the process of that role would have it. */
  urlOf(role: SluiceRole): string;
  /** A pool of a role; closed by {@link TestDatabase.drop}. */
  poolOf(role: SluiceRole, options?: Partial<PoolOptions>): Pool;
  /** Makes a tenant, so that its rows can be written. */
  addTenant(tenantId: string): Promise<void>;
  /** Runs a statement as superuser, past every policy. */
  query<Row = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
  ): Promise<readonly Row[]>;
  /** Closes the pools and drops the database. */
  drop(): Promise<void>;
}

/**
 * Clones a migrated template on the server of SLUICE_TEST_POSTGRES_URL. The template is made once per state
 * of the migrations, by whichever spec file comes first.
 */
export async function createTestDatabase(
  serverUrl = process.env.SLUICE_TEST_POSTGRES_URL,
): Promise<TestDatabase> {
  if (serverUrl === undefined || serverUrl === '') {
    throw new Error(
      'SLUICE_TEST_POSTGRES_URL is not set: run the tests with their services, or name a server.',
    );
  }
  const name = `sluice_test_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, async (client) => {
    // Roles and templates belong to the whole server: one spec file at a time.
    await client.query(`select pg_advisory_lock(${LOCK})`);
    const template = await ensureTemplate(client, serverUrl);
    await client.query(`create database ${name} template ${template}`);
    await openDatabase(client, name);
  });
  return testDatabase(serverUrl, name);
}

/**
 * Makes an empty database without roles or migrations, gives its superuser URL to `work` and drops it.
 * For tests of migrating itself.
 */
export async function withEmptyDatabase<T>(
  work: (superuserUrl: string) => Promise<T>,
  serverUrl = process.env.SLUICE_TEST_POSTGRES_URL ?? '',
): Promise<T> {
  const name = `sluice_test_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, (client) => client.query(`create database ${name} template template0`));
  try {
    return await work(urlWith(serverUrl, { database: name }));
  } finally {
    await dropDatabase(serverUrl, name);
  }
}

function testDatabase(serverUrl: string, name: string): TestDatabase {
  const superuserUrl = urlWith(serverUrl, { database: name });
  const superuser = createPool({
    connectionString: superuserUrl,
    applicationName: 'sluice-test',
    max: 2,
  });
  const pools: Pool[] = [superuser];
  const urlOf = (role: SluiceRole): string =>
    urlWith(serverUrl, { database: name, user: role, password: PASSWORD });
  const query = async <Row>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]> =>
    (await superuser.query<Row>(sql, values)).rows;
  return {
    name,
    superuserUrl,
    urlOf,
    poolOf: (role, options) => {
      const pool = createPool({
        connectionString: urlOf(role),
        applicationName: `sluice-test-${role}`,
        ...options,
      });
      pools.push(pool);
      return pool;
    },
    addTenant: async (tenantId) => {
      await query('insert into sluice.tenants (tenant_id) values ($1) on conflict do nothing', [
        tenantId,
      ]);
    },
    query,
    drop: async () => {
      await Promise.all(pools.map((pool) => pool.close()));
      await dropDatabase(serverUrl, name);
    },
  };
}

async function ensureTemplate(client: pg.Client, serverUrl: string): Promise<string> {
  const migrations = await readMigrations();
  const key = digestOfBytes(migrations.map(({ digest }) => digest).join('\n')).slice(7, 19);
  const template = `sluice_template_${key}`;
  const found = await client.query<{ ready: boolean }>(
    'select datistemplate as ready from pg_catalog.pg_database where datname = $1',
    [template],
  );
  if (found.rows[0]?.ready === true) return template;
  // One that is not marked was left half made by a run that was killed.
  if (found.rowCount !== 0) await client.query(`drop database ${template} with (force)`);
  await client.query(`create database ${template} template template0`);
  const passwords = Object.fromEntries(ROLES_OF_SLUICE.map((role) => [role, PASSWORD]));
  const url = urlWith(serverUrl, { database: template });
  await migrate({ superuserUrl: url, rolePasswords: passwords });
  await client.query(`alter database ${template} with is_template true allow_connections false`);
  return template;
}

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await onServer(serverUrl, (client) =>
    client.query(`drop database if exists ${name} with (force)`),
  );
}

async function onServer(
  serverUrl: string,
  work: (client: pg.Client) => Promise<unknown>,
): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function urlWith(
  serverUrl: string,
  to: { readonly database: string; readonly user?: string; readonly password?: string },
): string {
  const url = new URL(serverUrl);
  url.pathname = `/${to.database}`;
  if (to.user !== undefined) url.username = to.user;
  if (to.password !== undefined) url.password = to.password;
  return url.href;
}
