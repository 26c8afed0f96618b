import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { digestOfBytes } from '@sluice/pure';
import { createTrustRoot, generateKeyPair } from '@sluice/signing';
import { addCodecKeys } from '@sluice/temporal-client';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'sluice api '));
  await mkdir(join(folder, 'evidence'));
  const { publicKey } = generateKeyPair();
  const root = createTrustRoot([{ publicKey, use: 'evidence', notBefore: '2020-01-01T00:00:00Z' }]);
  await writeFile(join(folder, 'trust-root.json'), JSON.stringify(root));
  await addCodecKeys(join(folder, 'codec-keys.json'), ['acme']);
  await configure('release-gate');
});

afterAll(async () => {
  await database?.drop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function configure(policy: string): Promise<void> {
  await writeFile(
    join(folder, 'sluice.config.yaml'),
    `schema: sluice.config/v1
tenant: acme
sources: [{name: images, kind: oci-layout, path: sources/images}]
environments: [{name: dev, position: 1, pipeline: standard, policy: ${policy}}]
targets:
  - {name: host, environment: dev, kind: linux-host, address: 127.0.0.1, health: {path: /healthz, port: 8080}}
principals: [{name: maya, role: admin, tokenHash: "${digestOfBytes('a-token')}"}]
`,
  );
}

function environment(): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    SLUICE_DATABASE_URL: database.urlOf('sluice_app'),
    SLUICE_TEMPORAL_ADDRESS: process.env.SLUICE_TEST_TEMPORAL_ADDRESS ?? '',
    SLUICE_TEMPORAL_NAMESPACE: process.env.SLUICE_TEST_TEMPORAL_NAMESPACE ?? 'default',
    SLUICE_CODEC_KEYS: 'codec-keys.json',
    SLUICE_EVIDENCE_DIR: 'evidence',
    SLUICE_CONFIG: 'sluice.config.yaml',
    SLUICE_TRUST_ROOT: 'trust-root.json',
    SLUICE_API_PORT: '0',
  };
}

function start(env: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  return { child, readStderr: () => stderr };
}

async function readReady(child: ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> }) {
  for await (const line of createInterface({ input: child.stdout })) {
    return JSON.parse(line) as { ready: boolean; url: string; port: number };
  }
  throw new Error('the process ended before it was ready');
}

async function appliedEvents(): Promise<number> {
  const rows = await database.query(
    "select 1 from sluice.events where type = 'configuration.applied'",
  );
  return rows.length;
}

test('the built process applies its configuration, serves, and ends cleanly on SIGTERM', async () => {
  for (const round of [1, 2]) {
    const { child, readStderr } = start(environment());
    try {
      const ready = await readReady(child);
      expect(ready).toMatchObject({ ready: true, url: `http://127.0.0.1:${ready.port}` });
      const answer = await fetch(`${ready.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer a-token' },
        body: '{"query":"{ viewer { name } environments { targets { name } } }"}',
      });
      expect(await answer.json()).toEqual({
        data: { viewer: { name: 'maya' }, environments: [{ targets: [{ name: 'host' }] }] },
      });
      const readiness = await fetch(`${ready.url}/readyz`);
      expect([round, await readiness.json()]).toEqual([round, { ready: true, missing: [] }]);
      expect(await appliedEvents()).toBe(1);
    } finally {
      child.kill('SIGTERM');
    }
    const [code] = (await once(child, 'exit')) as [number | null];
    expect([code, readStderr().includes('"level":"error"')]).toEqual([0, false]);
  }
}, 60_000);

test('settings that are missing are one line each, and the status is 1', async () => {
  const { child, readStderr } = start({ PATH: process.env.PATH ?? '', SLUICE_API_PORT: 'http' });
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(1);
  const lines = readStderr()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).msg as string);
  expect(lines).toEqual([
    expect.stringContaining('SLUICE_DATABASE_URL is not set'),
    expect.stringContaining('SLUICE_TEMPORAL_ADDRESS is not set'),
    expect.stringContaining('SLUICE_CODEC_KEYS is not set'),
    expect.stringContaining('SLUICE_EVIDENCE_DIR is not set'),
    expect.stringContaining('SLUICE_CONFIG is not set'),
    expect.stringContaining('SLUICE_TRUST_ROOT is not set'),
    expect.stringContaining('SLUICE_API_PORT is "http"'),
  ]);
});

test('a configuration that is wrong is told whole, and nothing is applied', async () => {
  await configure('no-such-policy');
  const before = await appliedEvents();
  const { child, readStderr } = start(environment());
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(1);
  expect(readStderr()).toContain(
    'environments[0].policy: is \\"no-such-policy\\"; write the name of a policy',
  );
  expect(await appliedEvents()).toBe(before);
});

test('keys of the codec that others can read are refused in one line', async () => {
  await configure('release-gate');
  await writeFile(join(folder, 'open-keys.json'), '{"tenants":{}}', { mode: 0o644 });
  const { child, readStderr } = start({ ...environment(), SLUICE_CODEC_KEYS: 'open-keys.json' });
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(1);
  const lines = readStderr().trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '').msg).toMatch(/open-keys\.json can be read by others/);
});

test('without the engine it starts, reads and takes requests, and says so', async () => {
  await configure('release-gate');
  const { child } = start({ ...environment(), SLUICE_TEMPORAL_ADDRESS: '127.0.0.1:1' });
  try {
    const { url } = await readReady(child);
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer a-token' },
      body: '{"query":"{ environments { name lease { holder } } approvals { position } }"}',
    });
    expect(await answer.json()).toMatchObject({
      data: { environments: [{ name: 'dev' }], approvals: { position: expect.any(String) } },
    });
    const readiness = await fetch(`${url}/readyz`);
    expect([readiness.status, await readiness.json()]).toEqual([
      503,
      { ready: false, missing: ['temporal'] },
    ]);
  } finally {
    child.kill('SIGTERM');
  }
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(0);
}, 60_000);
