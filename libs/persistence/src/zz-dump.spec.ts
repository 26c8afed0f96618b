import { writeFile } from 'node:fs/promises';
import { test } from '@jest/globals';
import { dumpMigratedSchema, SCHEMA_DUMP_FILE } from './schema-check.ts';

test('dump', async () => {
  await writeFile(
    SCHEMA_DUMP_FILE,
    await dumpMigratedSchema(process.env['SLUICE_TEST_POSTGRES_URL'] ?? ''),
  );
}, 60000);
