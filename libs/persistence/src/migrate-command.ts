import { readFile } from 'node:fs/promises';
import { type MigrateResult, migrate } from './migrate.ts';
import { ROLES_OF_SLUICE, type RolePasswords } from './roles.ts';

/**
 * Migrates the database of SLUICE_MIGRATION_URL. With SLUICE_ROLE_PASSWORDS (a JSON file {role: password}) the
 * URL is a superuser's and the roles are made first; without it the URL is sluice_owner's.
 */
export async function runMigrateCommand(
  env: Readonly<Record<string, string | undefined>>,
): Promise<MigrateResult> {
  const url = env.SLUICE_MIGRATION_URL;
  if (url === undefined || url === '') {
    throw new Error('SLUICE_MIGRATION_URL is not set: give it the URL of the database to migrate.');
  }
  const file = env.SLUICE_ROLE_PASSWORDS;
  if (file === undefined || file === '') return migrate({ ownerUrl: url });
  return migrate({ superuserUrl: url, rolePasswords: await readPasswords(file) });
}

async function readPasswords(file: string): Promise<RolePasswords> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Error(
      `SLUICE_ROLE_PASSWORDS names ${file}, which cannot be read as JSON: write {role: password} there.`,
      { cause: error },
    );
  }
  const known: ReadonlySet<string> = new Set(ROLES_OF_SLUICE);
  const valid =
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).every(([role, text]) => known.has(role) && typeof text === 'string');
  if (valid) return value as RolePasswords;
  throw new Error(
    `SLUICE_ROLE_PASSWORDS: ${file} must hold one object {role: password} with roles of ${ROLES_OF_SLUICE.join(', ')}.`,
  );
}
