import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { removeTree } from '@sluice/nix/testing';
import { createLogger } from '@sluice/observability';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { SettingsReader } from './settings.ts';
import { findStepCapabilities } from './step-capabilities.ts';
import { readStepSettings } from './worker-settings-steps.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-capabilities-'));
afterAll(() => removeTree(folder));
const nowhere = join(folder, 'nowhere');

test('a queue whose steps lack something here is left to other workers, and said why', async () => {
  const found = await find({ SLUICE_NIX: nowhere, SLUICE_BUBBLEWRAP: nowhere });
  expect(found.queues).not.toContain(TASK_QUEUES.build);
  expect(found.queues).not.toContain(TASK_QUEUES.script);
  expect(found.queues).toContain(TASK_QUEUES.control);
  expect(found.queues).toContain(TASK_QUEUES.outbound);
  expect(found.report).toMatchObject({
    control: 'served',
    outbound: 'served',
    build: expect.stringContaining(`${nowhere} is no program`),
    script: expect.stringMatching(/\S/),
  });
  expect(found.report['script']).not.toBe('served');
  expect(found.parts).toMatchObject({ nix: undefined, sandbox: undefined, secrets: undefined });
  await found.close();
});

test('queues that are named are all that is served, and must be possible', async () => {
  const named = await find({ SLUICE_WORKER_QUEUES: 'scan,outbound', SLUICE_NIX: nowhere });
  expect(named.queues).toEqual([TASK_QUEUES.scan, TASK_QUEUES.outbound]);
  expect(named.report['control']).toBe('not named in SLUICE_WORKER_QUEUES');
  await named.close();
  await expect(find({ SLUICE_WORKER_QUEUES: 'build', SLUICE_NIX: nowhere })).rejects.toMatchObject({
    code: 'settings-invalid',
    problems: [expect.stringMatching(/names build, which cannot be served here\. .* Install Nix/)],
  });
});

test('builds are tried in the sandbox at the start, and served without one only where that is named', async () => {
  const nix = { SLUICE_NIX: (await getTool('nix')).path, SLUICE_NIX_STORE: join(folder, 'nix') };
  const sandboxed = await find(nix);
  expect(sandboxed.report['build']).toBe('served');
  expect(sandboxed.parts.nix?.settings).toEqual({ sandbox: 'true' });
  await sandboxed.close();

  const off = { ...nix, SLUICE_NIX_SANDBOX: 'off' };
  const unnamed = await find(off);
  expect(unnamed.report['build']).toMatch(/SLUICE_NIX_SANDBOX is off.*SLUICE_WORKER_QUEUES/);
  expect(unnamed.queues).not.toContain(TASK_QUEUES.build);
  expect(unnamed.parts.nix).toBeUndefined();
  await unnamed.close();

  const named = await find({ ...off, SLUICE_WORKER_QUEUES: 'control,build' });
  expect(named.queues).toEqual([TASK_QUEUES.control, TASK_QUEUES.build]);
  expect(named.parts.nix?.settings).toEqual({ sandbox: 'false' });
  await named.close();
}, 600_000);

test('a network is granted to scripts only by its setting', async () => {
  const bubblewrap = { SLUICE_BUBBLEWRAP: (await getTool('bwrap')).path };
  const kept = await find({ ...bubblewrap, SLUICE_NIX: nowhere });
  expect(kept.parts.sandbox?.network).toBe('none');
  const granted = await find({ ...bubblewrap, SLUICE_NIX: nowhere, SLUICE_SCRIPT_NETWORK: 'all' });
  expect(granted.parts.sandbox?.network).toBe('all');
}, 600_000);

test('secrets and channels are found, and only complete', async () => {
  const secrets = join(folder, 'secrets');
  await mkdir(join(secrets, 'acme'), { recursive: true });
  await writeFile(join(secrets, 'acme', 'hook'), 'https://hooks.example/x\n', { mode: 0o600 });
  const channels = join(folder, 'channels.yaml');
  await writeFile(
    channels,
    'schema: sluice.notify-channels/v1\ntenants: {acme: {ops: {kind: slack, url: {secret: hook}}}}\n',
  );
  const given = { SLUICE_NOTIFY_CHANNELS: channels };
  await expect(find(given)).rejects.toMatchObject({
    problems: [expect.stringContaining('SLUICE_SECRETS_DIR is not set')],
  });
  await expect(find({ SLUICE_SECRETS_DIR: nowhere })).rejects.toMatchObject({
    problems: [expect.stringContaining(`SLUICE_SECRETS_DIR names ${nowhere}`)],
  });
  await expect(find({ SLUICE_NOTIFY_CHANNELS: nowhere })).rejects.toMatchObject({
    problems: [expect.stringContaining('cannot be read (ENOENT)')],
  });
  const found = await find({ ...given, SLUICE_SECRETS_DIR: secrets });
  expect(await found.parts.secrets?.read('acme', 'hook')).toBe('https://hooks.example/x');
  expect(found.parts.channels?.list('acme')).toEqual(['ops']);
  await found.close();
});

test('nothing is left behind', async () => {
  const before = await scratchFolders();
  const found = await find({});
  await found.close();
  await expect(find({ SLUICE_WORKER_QUEUES: 'build', SLUICE_NIX: nowhere })).rejects.toThrow();
  expect(await scratchFolders()).toEqual(before);
});

async function scratchFolders(): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('sluice-worker-nix-')).sort();
}

function find(environment: Readonly<Record<string, string>>) {
  const reader = new SettingsReader(environment);
  const settings = readStepSettings(reader);
  reader.assertValid();
  return findStepCapabilities(settings, createLogger({ service: 'test', level: 'silent' }));
}
