import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { digestOfBundle } from '@sluice/pure';
import { findWorkflowCode } from './workflow-code.ts';

const CODE = 'var __TEMPORAL__;';
const MAPPED = `${CODE}\n//# sourceMappingURL=data:application/json;base64,e30=`;
const logger = createLogger({ service: 'test', level: 'silent' });
let folder: string;
let bundle: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-workflow-code-'));
  bundle = join(folder, 'kept.js');
  await writeFile(bundle, MAPPED);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('a bundle is known by its code, wherever its source map says that it was built', () => {
  expect(digestOfBundle(MAPPED)).toBe(digestOfBundle(CODE));
  expect(digestOfBundle(`${CODE} `)).not.toBe(digestOfBundle(CODE));
});

test('the build id is what the build wrote beside its bundle', async () => {
  const digest = digestOfBundle(MAPPED);
  const metadata = { digest: digest.slice('sha256:'.length), buildId: 'build-7' };
  await writeFile(join(folder, 'kept.json'), JSON.stringify(metadata));
  const code = await findWorkflowCode(logger, bundle);
  expect(code).toMatchObject({ buildId: 'build-7', digest, bundle: { codePath: bundle } });
  expect(await code.readCode()).toBe(MAPPED);
});

test.each([
  ['none', undefined],
  ['of another bundle', { digest: '00', buildId: 'build-7' }],
  ['without a build id', { digest: digestOfBundle(CODE).slice(7), buildId: '' }],
])('metadata %s: the build is named after its digest', async (_what, metadata) => {
  const file = join(folder, 'kept.json');
  await rm(file, { force: true });
  if (metadata !== undefined) await writeFile(file, JSON.stringify(metadata));
  const { buildId, digest } = await findWorkflowCode(logger, bundle);
  expect(digest).toBe(`sha256:${buildId}${digest.slice('sha256:'.length + 16)}`);
});

test('a bundle that was named and is not there is an error that names it', async () => {
  const missing = join(folder, 'missing.js');
  await expect(findWorkflowCode(logger, missing)).rejects.toThrow(missing);
});
