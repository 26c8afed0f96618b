import { migrate, ROLES_OF_SLUICE } from '@sluice/persistence';
import pg from 'pg';
import { StackError } from './stack-error.ts';

const DATABASE = 'sluice';

/** Connection strings by role, `postgres` (the superuser) among them; they hold passwords. */
export type DatabaseUrls = Readonly<Record<string, string>>;

/**
 * Makes the database and its roles when they are not there, and migrates it.
 *
 * @throws StackError `stack-data-other-version` when another version of Sluice wrote the data.
 */
export async function prepareDatabase(
  superuserUrl: string,
  passwords: Readonly<Record<string, string>>,
): Promise<{ readonly urls: DatabaseUrls; readonly applied: readonly string[] }> {
  await ensureDatabase(superuserUrl);
  const rolePasswords = Object.fromEntries(
    ROLES_OF_SLUICE.flatMap((role) => {
      const password = passwords[role];
      return password === undefined ? [] : [[role, password]];
    }),
  );
  const own = urlOf(superuserUrl);
  const { applied } = await migrate({ superuserUrl: own, rolePasswords }).catch(rethrowMismatch);
  const urls = Object.fromEntries(
    ROLES_OF_SLUICE.map((role) => [role, urlOf(superuserUrl, role, passwords[role] ?? '')]),
  );
  return { urls: { ...urls, postgres: own }, applied };
}

/** Says to who has old data what they can do; the migrations' own words are for who changed them. */
export function rethrowMismatch(error: unknown): never {
  if ((error as { code?: unknown }).code === 'migration-mismatch') {
    throw new StackError(
      'stack-data-other-version',
      'The data folder was written by another version of Sluice: start from nothing with --reset, which deletes it, or keep it and name another with --data.',
      { cause: error },
    );
  }
  throw error;
}

async function ensureDatabase(superuserUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const found = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (found.rowCount === 0) {
      await client.query(`create database ${DATABASE}`);
    }
  } finally {
    await client.end();
  }
}

function urlOf(superuserUrl: string, role?: string, password?: string): string {
  const url = new URL(superuserUrl);
  url.pathname = `/${DATABASE}`;
  if (role !== undefined) {
    url.username = role;
    url.password = password ?? '';
  }
  return url.href;
}
