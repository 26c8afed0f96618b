import { readFile } from 'node:fs/promises';
import { migrate } from './migrate.ts';
import type { RolePasswords } from './roles.ts';

/**
 * Migrates the database of SLUICE_MIGRATION_URL. With SLUICE_ROLE_PASSWORDS (a JSON file {role: password}) the
 * URL is a superuser's and the roles are made first; without it the URL is sluice_owner's.
 */
async function main(): Promise<void> {
  const url = process.env.SLUICE_MIGRATION_URL;
  if (url === undefined || url === '') {
    throw new Error('SLUICE_MIGRATION_URL is not set: give it the URL of the database to migrate.');
  }
  const file = process.env.SLUICE_ROLE_PASSWORDS;
  const result = await migrate(
    file === undefined || file === ''
      ? { ownerUrl: url }
      : { superuserUrl: url, rolePasswords: await readPasswords(file) },
  );
  console.log(JSON.stringify(result));
}

async function readPasswords(file: string): Promise<RolePasswords> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as RolePasswords;
    }
  } catch (error) {
    throw new Error(`SLUICE_ROLE_PASSWORDS: ${file} cannot be read as JSON.`, { cause: error });
  }
  throw new Error(`SLUICE_ROLE_PASSWORDS: ${file} must hold one object {role: password}.`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
