import { writeFile } from 'node:fs/promises';
import { dumpMigratedSchema, SCHEMA_DUMP_FILE } from './schema-check.ts';

/** Writes `migrations/schema.sql` again; SLUICE_MIGRATION_URL is a superuser's URL of any server. */
async function main(): Promise<void> {
  const url = process.env.SLUICE_MIGRATION_URL ?? process.env.SLUICE_TEST_POSTGRES_URL;
  if (url === undefined || url === '') {
    throw new Error(
      'SLUICE_MIGRATION_URL is not set: give it a superuser URL; a database is made there and dropped.',
    );
  }
  await writeFile(SCHEMA_DUMP_FILE, await dumpMigratedSchema(url));
  console.log(`Wrote ${SCHEMA_DUMP_FILE}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
