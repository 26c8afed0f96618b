import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { removeTree } from '@sluice/nix/testing';
import { createLogger } from '@sluice/observability';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { type SettingsError, SettingsReader } from './settings.ts';
import { findStepCapabilities, type QueueChoice } from './step-capabilities.ts';
import { readStepSettings } from './worker-settings-steps.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-capabilities-'));
// bubblewrap is started as another user.
await chmod(folder, 0o755);
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
  await mkdir(join(secrets, 'acme', 'production'), { recursive: true });
  const hook = join(secrets, 'acme', 'production', 'hook');
  await writeFile(hook, 'https://hooks.example/x\n', { mode: 0o600 });
  const channels = join(folder, 'channels.yaml');
  await writeFile(
    channels,
    'schema: sluice.notify-channels/v1\ntenants: {acme: {ops: {kind: slack, url: {secret: hook}}}}\n',
  );
  const nothing = { SLUICE_NIX: nowhere, SLUICE_BUBBLEWRAP: nowhere };
  const given = { ...nothing, SLUICE_NOTIFY_CHANNELS: channels };
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
  const production = { tenantId: 'acme', environment: 'production' };
  expect(await found.parts.secrets?.read(production, 'hook')).toBe('https://hooks.example/x');
  expect(found.parts.channels?.list('acme')).toEqual(['ops']);
  await found.close();
});

test('a queue whose sandbox goes away is left to others', async () => {
  const bwrap = join(folder, 'bwrap');
  await symlink((await getTool('bwrap')).path, bwrap);
  const found = await find({ SLUICE_BUBBLEWRAP: bwrap, SLUICE_NIX: nowhere });
  expect(found.queues).toContain(TASK_QUEUES.script);
  const choices: QueueChoice[] = [];
  const watch = found.watch((choice) => void choices.push(choice));
  await rm(bwrap);
  // The script that finds out is refused; whoever asks next need not come here.
  const run = found.parts.sandbox?.run({ ...RUN, workFolder: folder });
  await expect(run).rejects.toMatchObject({ code: 'sandbox-isolation-missing' });
  for (let look = 0; look < 1000 && choices.length < 1; look += 1) await delay(10);
  expect(choices[0]?.queues).not.toContain(TASK_QUEUES.script);
  expect(choices[0]?.queues).toContain(TASK_QUEUES.control);
  expect(choices[0]?.report['script']).toMatch(/does not run.*Install bubblewrap/);
  await watch.stop();
  await found.close();
}, 600_000);

test('who builds is told whether this machine has lost its Nix', async () => {
  const nix = join(folder, 'nix-link');
  await symlink((await getTool('nix')).path, nix);
  const found = await find({
    ...{ SLUICE_NIX: nix, SLUICE_NIX_STORE: join(folder, 'nix') },
    ...{ SLUICE_NIX_SANDBOX: 'off', SLUICE_WORKER_QUEUES: 'control,build' },
  });
  const choices: QueueChoice[] = [];
  const watch = found.watch((choice) => void choices.push(choice));
  expect(await found.parts.nixTrouble()).toBeUndefined();
  await rm(nix);
  expect(await found.parts.nixTrouble()).toMatch(/nix-link is no program\. Install Nix/);
  expect(choices.map(({ queues }) => queues)).toEqual([[TASK_QUEUES.control]]);
  await watch.stop();
  await found.close();
}, 600_000);

test('that scripts run as another user can be demanded, and only root can do it', async () => {
  const own = process.getuid;
  process.getuid = () => 54_321;
  try {
    const found = await find({ SLUICE_SCRIPT_USER: 'other', SLUICE_NIX: nowhere });
    expect(found.report['script']).toMatch(/SLUICE_SCRIPT_USER wants .* run this worker as root/);
    expect(found.parts.sandbox).toBeUndefined();
    await found.close();
  } finally {
    if (own !== undefined) process.getuid = own;
  }
});

test("no script is run where it would see what is the worker's own", async () => {
  const given = { SLUICE_NIX: nowhere, SLUICE_NIX_SCRATCH: '/usr/local/share/scratch' };
  const found = await find(given);
  expect(found.report['script']).toMatch(/^SLUICE_NIX_SCRATCH names .* lies in \/usr, /);
  expect(found.queues).not.toContain(TASK_QUEUES.script);
  await found.close();
  await expect(find({ ...given, SLUICE_WORKER_QUEUES: 'script' })).rejects.toMatchObject({
    problems: [expect.stringMatching(/names script, which cannot be served here\. SLUICE_NIX_SCR/)],
  });
});

const RUN = {
  argv: ['/bin/true'],
  network: 'none' as const,
  limits: {
    wallSeconds: 5,
    memoryBytes: 1 << 26,
    diskBytes: 1 << 20,
    processes: 8,
    logBytes: 1024,
  },
  onLog: () => undefined,
};

test('how many scripts and builds run at a time is a setting', async () => {
  const found = await find({ SLUICE_SCRIPTS_AT_ONCE: '1', SLUICE_NIX: nowhere });
  expect(found.atOnce).toEqual({ [TASK_QUEUES.script]: 1, [TASK_QUEUES.build]: 2 });
  await found.close();
});

test('limits of builds that are demanded are kept, or build is not served', async () => {
  const demanded = {
    ...{ SLUICE_NIX: (await getTool('nix')).path, SLUICE_NIX_STORE: join(folder, 'nix') },
    ...{ SLUICE_NIX_SANDBOX: 'off', SLUICE_WORKER_QUEUES: 'control,build' },
    SLUICE_NIX_MEMORY_MIB: '512',
  };
  const found = await find(demanded).catch((error: unknown) => error as SettingsError);
  if ('problems' in found) {
    expect(found.problems[0]).toMatch(/SLUICE_NIX_MEMORY_MIB cannot be kept here/);
    return;
  }
  expect(found.parts.nix?.limits).toMatchObject({ memoryBytes: 512 << 20 });
  await found.close();
}, 600_000);

test('secrets in the place of before are told at the start', async () => {
  const secrets = join(folder, 'old-secrets');
  await mkdir(join(secrets, 'acme'), { recursive: true });
  await writeFile(join(secrets, 'acme', 'hook'), 'x', { mode: 0o600 });
  const warned: unknown[][] = [];
  const log = createLogger({ service: 'test', level: 'silent' });
  log.warn = ((...said: unknown[]) => void warned.push(said)) as typeof log.warn;
  const nothing = { SLUICE_NIX: nowhere, SLUICE_BUBBLEWRAP: nowhere };
  await (await find({ ...nothing, SLUICE_SECRETS_DIR: secrets }, log)).close();
  expect(warned).toContainEqual([
    { tenant: 'acme', secrets: ['hook'] },
    expect.stringMatching(/no step reads the secrets hook: move them to .*acme\/<environment>/),
  ]);
});

test('nothing is left behind', async () => {
  const found = await find({});
  expect((await ownScratchFolders()).length).toBeLessThanOrEqual(1);
  await found.close();
  await expect(find({ SLUICE_WORKER_QUEUES: 'build', SLUICE_NIX: nowhere })).rejects.toThrow();
  expect(await ownScratchFolders()).toEqual([]);
});

/** Other workers of this machine have some, too. */
async function ownScratchFolders(): Promise<readonly string[]> {
  const own = `sluice-worker-nix-${process.pid}-`;
  return (await readdir(tmpdir())).filter((name) => name.startsWith(own));
}

function find(
  environment: Readonly<Record<string, string>>,
  log = createLogger({ service: 'test', level: 'silent' }),
) {
  const reader = new SettingsReader(environment);
  const settings = readStepSettings(reader);
  reader.assertValid();
  return findStepCapabilities(settings, log);
}
