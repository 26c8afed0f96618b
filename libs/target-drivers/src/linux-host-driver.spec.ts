import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { SettingValue } from '@sluice/domain';
import { type ImageLayout, openLayout, packLayer, writeLayout } from '@sluice/oci';
import { createLinuxHostDriver, type LinuxHostOptions } from './linux-host-driver.ts';
import { findProcess, isRunning, listGroup } from './proc-table.ts';
import type { Activation, BlobSource, TargetDriver } from './target-driver.ts';

const SERVER = `
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
const { PORT, MODE = 'good', VERSION } = process.env;
console.error('starting', VERSION);
if (MODE === 'crash') throw new Error('no luck today');
if (MODE === 'stubborn') {
  process.on('SIGTERM', () => {});
  spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)']);
}
createServer((request, response) => {
  if (request.url === '/die') process.exit(3);
  response.statusCode = MODE === 'sick' ? 500 : 200;
  response.end(JSON.stringify({ ...process.env, cwd: process.cwd() }));
}).listen(Number(PORT), '127.0.0.1');
`;

let folder: string;
let stateDir: string;
let secretsDir: string;
let port: number;
let layout: ImageLayout;
let digests: ReadonlyMap<string, string>;
let drivers: TargetDriver[];
let source: BlobSource;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice driver-'));
  stateDir = join(folder, 'state');
  secretsDir = join(folder, 'secrets');
  await mkdir(secretsDir);
  port = await freePort();
  drivers = [];
  const image = async (tag: string, cmd: string[]) => ({
    tag,
    cmd,
    env: [`VERSION=${tag}`, 'PATH=/image/bin', 'MODE=good'],
    layers: [
      await packLayer([
        { type: 'file', path: 'server.mjs', content: SERVER },
        { type: 'file', path: 'version', content: tag },
      ]),
    ],
  });
  digests = await writeLayout(join(folder, 'layout'), [
    await image('1', ['node', 'server.mjs']),
    await image('2', ['node', 'server.mjs']),
    await image('none', []),
    await image('missing', ['no-such-program']),
  ]);
  layout = await openLayout(join(folder, 'layout'), { architecture: 'amd64' });
  source = { openBlob: async (blob) => layout.blobStream(blob) };
});

afterEach(async () => {
  for (const driver of drivers) await driver.close('stop');
  await rm(folder, { recursive: true, force: true });
});

/** Below the ports that the system hands out to clients: those may take a port while the service is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createTcpServer();
    const wanted = 20_000 + Math.floor(Math.random() * 12_000);
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(wanted, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return wanted;
  }
}

async function newDriver(options: Partial<LinuxHostOptions> = {}): Promise<TargetDriver> {
  const driver = await createLinuxHostDriver({
    stateDir,
    secretsDir,
    graceMs: 1000,
    watchMs: 100,
    generator: 'test/1',
    ...options,
  });
  drivers.push(driver);
  return driver;
}

let counter = 0;

async function activationOf(
  tag: string | null,
  settings: Record<string, SettingValue> = {},
  more: Partial<Activation> = {},
): Promise<Activation> {
  counter += 1;
  const id = `sha256:${String(counter).padStart(64, '0')}`;
  const digest = digests.get(tag ?? '') ?? '';
  const resolved = tag === null ? undefined : await layout.resolve(tag);
  const size = resolved?.ok ? resolved.value.manifestBytes.length : 0;
  const manifest = { mediaType: 'x', digest, size };
  const release = {
    digest: `sha256:${'a'.repeat(63)}${tag?.[0] ?? ''}`,
    name: 'app',
    version: '1',
  };
  return {
    id,
    kind: 'deploy',
    target: 'host-1',
    environment: 'dev',
    promotionId: `dev/${counter}`,
    planDigest: `sha256:${'b'.repeat(64)}`,
    health: { path: '/', port, intervalMs: 100, timeoutMs: 1000, successes: 2, failures: 100 },
    desired:
      tag === null
        ? null
        : {
            release,
            components: [{ name: 'app', kind: 'oci', digest, version: tag, manifest }],
            settings: { PORT: String(port), ...settings },
          },
    ...more,
  };
}

async function deploy(driver: TargetDriver, activation: Activation) {
  await driver.prepare(activation, source);
  await driver.activate(activation.id);
  return driver.confirm(activation.id);
}

async function ask(): Promise<Record<string, string>> {
  const response = await fetch(`http://127.0.0.1:${port}/`);
  return (await response.json()) as Record<string, string>;
}

async function recordedPid(): Promise<number> {
  return JSON.parse(await readFile(join(stateDir, 'service.json'), 'utf8')).pid;
}

async function eventually(look: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await look().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error('It did not happen within 10 s.');
}

describe('a deployment', () => {
  test('runs the image in its folder with PATH, Env, settings and secrets', async () => {
    await writeFile(join(secretsDir, 'db'), 'hush\n');
    const driver = await newDriver({ hostPath: process.env.PATH ?? '' });
    const activation = await activationOf('1', { MODE: 'fine', DB: { secret: 'db' } });
    expect(await deploy(driver, activation)).toEqual({ ok: true, value: true });
    const seen = await ask();
    expect(seen).toMatchObject({ VERSION: '1', MODE: 'fine', DB: 'hush', PATH: process.env.PATH });
    expect(seen.HOME).toBeUndefined();
    expect(seen.cwd).toBe(join(stateDir, 'images', digests.get('1')?.slice(7) ?? ''));
    expect(await readFile(join(stateDir, 'current/image/version'), 'utf8')).toBe('1');
    const sticker = JSON.parse(
      await readFile(join(stateDir, 'current/sluice.version.json'), 'utf8'),
    );
    expect(sticker).toMatchObject({
      generator: 'test/1',
      release: { name: 'app', components: [{ name: 'app', digest: digests.get('1') }] },
      deployment: { promotionId: activation.promotionId, environment: 'dev', target: 'host-1' },
    });
    // No secret is written down.
    expect(await readFile(join(stateDir, 'current/activation.json'), 'utf8')).not.toContain('hush');
    expect(await driver.findActive()).toMatchObject({ activationId: activation.id });
  });

  test('of the next version replaces it: one link, the old process gone', async () => {
    const driver = await newDriver();
    await deploy(driver, await activationOf('1'));
    const old = await recordedPid();
    const second = await activationOf('2');
    expect(await deploy(driver, second)).toMatchObject({ ok: true });
    expect(await ask()).toMatchObject({ VERSION: '2' });
    expect(await findProcess(old)).toBeUndefined();
    expect(await readlink(join(stateDir, 'current'))).toBe(`releases/${second.id.slice(7)}`);
    // What is three versions back is not kept.
    await deploy(driver, await activationOf('2'));
    expect(await readdir(join(stateDir, 'images'))).toEqual([digests.get('2')?.slice(7)]);
  });

  test('of nothing empties the target', async () => {
    const driver = await newDriver();
    await deploy(driver, await activationOf('1'));
    const pid = await recordedPid();
    expect(await deploy(driver, await activationOf(null))).toMatchObject({ ok: true });
    expect(await findProcess(pid)).toBeUndefined();
    expect(existsSync(join(stateDir, 'current'))).toBe(false);
    expect(await driver.findActive()).toBeUndefined();
  });

  test('ends a stubborn service with its children by SIGKILL', async () => {
    const driver = await newDriver();
    await deploy(driver, await activationOf('1', { MODE: 'stubborn' }));
    const group = await recordedPid();
    expect(await listGroup(group)).toHaveLength(2);
    expect(await deploy(driver, await activationOf('2'))).toMatchObject({ ok: true });
    expect(await listGroup(group)).toEqual([]);
  });
});

describe('an activation that fails', () => {
  test.each([
    ['crash', 'service-exited', 'no luck today'],
    ['sick', 'service-unhealthy', 'it answered 500'],
  ])('(%s) is put back to what was there', async (mode, code, words) => {
    const driver = await newDriver();
    const first = await activationOf('1');
    await deploy(driver, first);
    const bad = await activationOf('2', { MODE: mode });
    const outcome = await deploy(driver, { ...bad, health: { ...bad.health, failures: 30 } });
    expect(outcome).toMatchObject({
      ok: false,
      refusal: { code, message: expect.stringContaining(words) },
    });
    expect(await driver.revert(bad.id)).toEqual({ ok: true, value: true });
    expect(await ask()).toMatchObject({ VERSION: '1' });
    expect(await driver.findActive()).toMatchObject({ activationId: first.id });
  });

  test('on an empty target leaves it empty', async () => {
    const driver = await newDriver();
    const bad = await activationOf('1', { MODE: 'crash' });
    expect(await deploy(driver, bad)).toMatchObject({ ok: false });
    expect(await driver.revert(bad.id)).toMatchObject({ ok: true });
    expect(await driver.findActive()).toBeUndefined();
  });

  test('before anything is touched: no command, no secret, a bad setting, no program', async () => {
    const driver = await newDriver();
    await deploy(driver, await activationOf('1'));
    const pid = await recordedPid();
    const prepared = async (activation: Activation) => driver.prepare(activation, source);
    await expect(prepared(await activationOf('none'))).rejects.toMatchObject({
      code: 'image-without-command',
    });
    await expect(
      prepared(await activationOf('2', { KEY: { secret: 'absent' } })),
    ).rejects.toMatchObject({
      code: 'secret-missing',
      message: expect.stringContaining(join(secretsDir, 'absent')),
    });
    await expect(
      prepared(await activationOf('2', { KEY: { secret: '../db' } })),
    ).rejects.toMatchObject({ code: 'secret-missing' });
    await expect(prepared(await activationOf('2', { 'A=B': 'x' }))).rejects.toMatchObject({
      code: 'setting-invalid',
    });
    expect(await recordedPid()).toBe(pid);
    const missing = await activationOf('missing');
    await driver.prepare(missing, source);
    await expect(driver.activate(missing.id)).rejects.toMatchObject({
      code: 'service-start-failed',
    });
    expect(await driver.revert(missing.id)).toMatchObject({ ok: true });
    expect(await ask()).toMatchObject({ VERSION: '1' });
  });

  test('because another process has the port', async () => {
    const other = createServer((_, response) => response.end('not yours'));
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    const driver = await newDriver();
    const activation = await activationOf('1');
    await driver.prepare(activation, source);
    await expect(driver.activate(activation.id)).rejects.toMatchObject({ code: 'port-in-use' });
    await new Promise((resolve) => other.close(resolve));
  });

  test('a revert that is ordered to what runs already does not interrupt it', async () => {
    const driver = await newDriver();
    await deploy(driver, await activationOf('1'));
    const pid = await recordedPid();
    const back = await activationOf('1', {}, { kind: 'revert' });
    expect(await deploy(driver, back)).toMatchObject({ ok: true });
    expect(await recordedPid()).toBe(pid);
    expect(await driver.findActive()).toMatchObject({ activationId: back.id });
  });
});

describe('the service', () => {
  test('is started again when it dies', async () => {
    const driver = await newDriver();
    await deploy(driver, await activationOf('1'));
    const pid = await recordedPid();
    await fetch(`http://127.0.0.1:${port}/die`).catch(() => undefined);
    await eventually(async () => (await ask()).VERSION === '1');
    expect(await recordedPid()).not.toBe(pid);
  });

  test('outlives its driver and is adopted by the next one, never started twice', async () => {
    const first = await newDriver();
    await deploy(first, await activationOf('1'));
    const pid = await recordedPid();
    await first.close('keep');
    const found = await findProcess(pid);
    expect(found !== undefined && isRunning(found)).toBe(true);
    const second = await newDriver();
    await second.resume();
    expect(await recordedPid()).toBe(pid);
    process.kill(pid, 'SIGKILL');
    await eventually(async () => (await ask()).VERSION === '1');
    expect(await recordedPid()).not.toBe(pid);
  });

  test('is found by its environment when its pid was not written down', async () => {
    const first = await newDriver();
    await deploy(first, await activationOf('1'));
    await first.close('keep');
    const path = join(stateDir, 'service.json');
    const record = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...record, pid: null, startTime: null }));
    await (await newDriver()).resume();
    expect(await recordedPid()).toBe(record.pid);
  });

  test('is not confused with a stranger that has its pid now', async () => {
    const first = await newDriver();
    const activation = await activationOf('1');
    await deploy(first, activation);
    await first.close('stop');
    const self = await findProcess(process.pid);
    const record = {
      activationId: activation.id,
      instance: 'x',
      bootId: (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim(),
      pid: process.pid,
      startTime: (self?.startTime ?? 0) - 1,
    };
    await writeFile(join(stateDir, 'service.json'), JSON.stringify(record));
    await (await newDriver()).resume();
    await eventually(async () => (await ask()).VERSION === '1');
    expect(await recordedPid()).not.toBe(process.pid);
  });
});

test('what a killed process left half done is removed at the next start', async () => {
  await mkdir(join(stateDir, 'images/.abc.1-2.tmp'), { recursive: true });
  await writeFile(join(stateDir, 'images/.abc.1-2.tmp/half'), 'x');
  await newDriver();
  expect(await readdir(join(stateDir, 'images'))).toEqual([]);
});

test('an image is there whole or not at all', async () => {
  const driver = await newDriver();
  const broken: BlobSource = {
    async openBlob(blob) {
      const stream = layout.blobStream(blob);
      if (blob.digest.startsWith('sha256:') && blob.size > 2000) {
        return (async function* () {
          yield Buffer.alloc(512, 1);
        })();
      }
      return stream;
    },
  };
  const activation = await activationOf('1');
  await expect(driver.prepare(activation, broken)).rejects.toMatchObject({
    code: expect.stringMatching(/^layer-/),
  });
  expect(await readdir(join(stateDir, 'images'))).toEqual([]);
  expect(await readdir(join(stateDir, 'releases'))).toEqual([]);
});
