import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createFolderStore } from '@sluice/evidence-store';
import { findBundle, listBundles, type Pool } from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { digestOfBundle } from '@sluice/pure';
import { keepWorkflowCode } from './keep-bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-bundles-'));
const evidence = createFolderStore(folder);
let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = database.poolOf('sluice_worker');
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const codeOf = (text: string, buildId: string) => ({
  digest: digestOfBundle(text),
  buildId,
  readCode: async () => text,
});

test('workers that start at once keep their code once; it comes back byte by byte', async () => {
  const code = codeOf('exports.run = 1;\n', 'b1');
  const kept = await Promise.all([1, 2, 3].map(() => keepWorkflowCode(pool, evidence, code)));
  expect(kept.filter((isNew) => isNew)).toHaveLength(1);
  expect(await keepWorkflowCode(pool, evidence, code)).toBe(false);
  await keepWorkflowCode(pool, evidence, codeOf('exports.run = 2;\n', 'b2'));
  expect((await listBundles(pool)).map(({ buildId }) => buildId)).toEqual(['b1', 'b2']);
  const stored = await findBundle(pool, code.digest);
  expect(stored).toMatchObject({ size: 17 });
  expect(stored?.sdkVersion).toMatch(/^\d+\.\d+\.\d+/);
  const packed = await evidence.getBytes(stored?.contentDigest ?? '', { maxBytes: 1000 });
  expect(gunzipSync(packed).toString()).toBe('exports.run = 1;\n');
});
