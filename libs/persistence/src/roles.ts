import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type pg from 'pg';

/** The role that owns the schema; it migrates and serves no request. */
export const OWNER_ROLE = 'sluice_owner';

/** The roles that run: one per process or loop, none of which can bypass row-level security. */
export const RUNTIME_ROLES = [
  'sluice_app',
  'sluice_worker',
  'sluice_signer',
  'sluice_relay',
  'sluice_linker',
  'sluice_watchdog',
] as const;

/** One of {@link RUNTIME_ROLES}. */
export type RuntimeRole = (typeof RUNTIME_ROLES)[number];

/** Any role of Sluice's. */
export type SluiceRole = RuntimeRole | typeof OWNER_ROLE;

/** All roles: the owner first. */
export const ROLES_OF_SLUICE: readonly SluiceRole[] = [OWNER_ROLE, ...RUNTIME_ROLES];

/** Passwords by role. A role without one keeps what it has; a new one can't log in by password then. */
export type RolePasswords = Readonly<Partial<Record<SluiceRole, string>>>;

/**
 * Makes the roles (which belong to the whole server) and lets them, and nobody else, into this database: it
 * has to be Sluice's own. Needs a superuser. Repeating it is harmless, also at the same time.
 */
export async function ensureRoles(client: pg.ClientBase, passwords: RolePasswords): Promise<void> {
  await client.query('begin');
  try {
    // A shared catalogue, so this lock holds in all databases of the server: role changes take turns.
    await client.query('lock table pg_catalog.pg_authid in share row exclusive mode');
    for (const role of ROLES_OF_SLUICE) await ensureRole(client, role, passwords[role]);
    const { rows } = await client.query<{ name: string }>('select current_database() as name');
    await openDatabase(client, rows[0]?.name ?? '');
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

/**
 * Lets Sluice's roles, and nobody else, into a database. These rights belong to the database: a clone of it
 * has none of them.
 */
export async function openDatabase(client: pg.ClientBase, name: string): Promise<void> {
  const database = client.escapeIdentifier(name);
  await client.query(`revoke all on database ${database} from public`);
  await client.query(`grant connect on database ${database} to ${ROLES_OF_SLUICE.join(', ')}`);
  await client.query(`grant create on database ${database} to ${OWNER_ROLE}`);
}

/** Which of these roles the server does not have. */
export async function findMissingRoles(
  client: pg.ClientBase,
  wanted: readonly string[] = ROLES_OF_SLUICE,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select name from unnest($1::text[]) as w(name)
      where not exists (select from pg_catalog.pg_roles where rolname = name)`,
    [wanted],
  );
  return rows.map(({ name }) => name);
}

async function ensureRole(
  client: pg.ClientBase,
  role: SluiceRole,
  password: string | undefined,
): Promise<void> {
  const found = await client.query('select from pg_catalog.pg_roles where rolname = $1', [role]);
  if (found.rowCount === 0) await client.query(`create role ${role}`);
  const attributes =
    'login nosuperuser nobypassrls nocreatedb nocreaterole noreplication inherit connection limit -1';
  const secret = password === undefined ? '' : ` password '${scramVerifier(password)}'`;
  await client.query(`alter role ${role} with ${attributes}${secret}`);
}

/**
 * What Postgres stores of a password (RFC 5803), computed here so that the password itself appears in no
 * statement and no log of the server.
 */
function scramVerifier(password: string): string {
  if (!/^[\x21-\x7e]{8,200}$/.test(password)) {
    throw new TypeError('A role password has 8 to 200 visible ASCII characters.');
  }
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
