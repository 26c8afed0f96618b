import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '@sluice/pure';
import { eventually, HostBench } from './host-bench.ts';
import { findProcess, isRunning, listGroup } from './proc-table.ts';
import type { Activation, BlobSource } from './target-driver.ts';

let bench: HostBench;
let stateDir: string;
let secretsDir: string;
let port: number;
let source: BlobSource;

beforeEach(async () => {
  bench = await HostBench.make();
  ({ stateDir, secretsDir, port, source } = bench);
});

afterEach(() => bench.remove());

describe('a deployment', () => {
  test('runs the image in its folder with PATH, Env, settings and secrets', async () => {
    await writeFile(join(secretsDir, 'db'), 'hush\n');
    const driver = await bench.newDriver({ hostPath: process.env.PATH ?? '' });
    const activation = await bench.activationOf('1', { MODE: 'fine', DB: { secret: 'db' } });
    expect(await bench.deploy(driver, activation)).toEqual({ ok: true, value: true });
    const seen = await bench.ask();
    expect(seen).toMatchObject({ VERSION: '1', MODE: 'fine', DB: 'hush', PATH: process.env.PATH });
    expect(seen.HOME).toBeUndefined();
    expect(seen.cwd).toBe(join(stateDir, 'images', bench.digestOf('1').slice(7)));
    expect(await readFile(join(stateDir, 'current/image/version'), 'utf8')).toBe('1');
    const sticker = JSON.parse(
      await readFile(join(stateDir, 'current/sluice.version.json'), 'utf8'),
    );
    expect(sticker).toMatchObject({
      generator: 'test/1',
      release: { name: 'app', components: [{ name: 'app', digest: bench.digestOf('1') }] },
      deployment: { promotionId: activation.promotionId, environment: 'dev', target: 'host-1' },
    });
    // No secret is written down.
    expect(await readFile(join(stateDir, 'current/activation.json'), 'utf8')).not.toContain('hush');
    expect(await driver.findActive()).toEqual({
      activationId: activation.id,
      releaseDigest: activation.desired?.release.digest,
      // Of the settings as the plan has them: the reference, not the secret.
      settingsDigest: digestOf({ MODE: 'fine', DB: { secret: 'db' }, PORT: String(port) }),
    });
  });

  test('of the next version replaces it: one link, the old process gone', async () => {
    const driver = await bench.newDriver();
    await bench.deploy(driver, await bench.activationOf('1'));
    const old = await bench.recordedPid();
    const second = await bench.activationOf('2');
    expect(await bench.deploy(driver, second)).toMatchObject({ ok: true });
    expect(await bench.ask()).toMatchObject({ VERSION: '2' });
    expect(await findProcess(old)).toBeUndefined();
    expect(await readlink(join(stateDir, 'current'))).toBe(`releases/${second.id.slice(7)}`);
  });

  test('of nothing empties the target', async () => {
    const driver = await bench.newDriver();
    await bench.deploy(driver, await bench.activationOf('1'));
    const pid = await bench.recordedPid();
    expect(await bench.deploy(driver, await bench.activationOf(null))).toMatchObject({ ok: true });
    expect(await findProcess(pid)).toBeUndefined();
    expect(existsSync(join(stateDir, 'current'))).toBe(false);
    expect(await driver.findActive()).toBeUndefined();
  });

  test('ends a stubborn service with its children by SIGKILL', async () => {
    const driver = await bench.newDriver();
    await bench.deploy(driver, await bench.activationOf('1', { MODE: 'stubborn' }));
    const group = await bench.recordedPid();
    expect(await listGroup(group)).toHaveLength(2);
    expect(await bench.deploy(driver, await bench.activationOf('2'))).toMatchObject({ ok: true });
    expect(await listGroup(group)).toEqual([]);
  });
});

describe('an activation that fails', () => {
  test.each([
    ['crash', 'service-exited', 'no luck today'],
    ['sick', 'service-unhealthy', 'it answered 500'],
  ])('(%s) is put back to what was there', async (mode, code, words) => {
    const driver = await bench.newDriver();
    const first = await bench.activationOf('1');
    await bench.deploy(driver, first);
    const bad = await bench.activationOf('2', { MODE: mode });
    const outcome = await bench.deploy(driver, { ...bad, health: { ...bad.health, failures: 30 } });
    expect(outcome).toMatchObject({
      ok: false,
      refusal: { code, message: expect.stringContaining(words) },
    });
    expect(await driver.revert(bad.id)).toEqual({ ok: true, value: true });
    expect(await bench.ask()).toMatchObject({ VERSION: '1' });
    expect(await driver.findActive()).toMatchObject({ activationId: first.id });
  });

  test('on an empty target leaves it empty', async () => {
    const driver = await bench.newDriver();
    const bad = await bench.activationOf('1', { MODE: 'crash' });
    expect(await bench.deploy(driver, bad)).toMatchObject({ ok: false });
    expect(await driver.revert(bad.id)).toMatchObject({ ok: true });
    expect(await driver.findActive()).toBeUndefined();
  });

  test('before anything is touched: no command, no secret, a bad setting, no program', async () => {
    const driver = await bench.newDriver();
    await bench.deploy(driver, await bench.activationOf('1'));
    const pid = await bench.recordedPid();
    const prepared = async (activation: Activation) => driver.prepare(activation, source);
    await expect(prepared(await bench.activationOf('none'))).rejects.toMatchObject({
      code: 'image-without-command',
    });
    await expect(
      prepared(await bench.activationOf('2', { KEY: { secret: 'absent' } })),
    ).rejects.toMatchObject({
      code: 'secret-missing',
      message: expect.stringContaining(join(secretsDir, 'absent')),
    });
    await expect(
      prepared(await bench.activationOf('2', { KEY: { secret: '../db' } })),
    ).rejects.toMatchObject({ code: 'secret-missing' });
    await expect(prepared(await bench.activationOf('2', { 'A=B': 'x' }))).rejects.toMatchObject({
      code: 'setting-invalid',
    });
    expect(await bench.recordedPid()).toBe(pid);
    const missing = await bench.activationOf('missing');
    await driver.prepare(missing, source);
    await expect(driver.activate(missing.id)).rejects.toMatchObject({
      code: 'service-start-failed',
    });
    expect(await driver.revert(missing.id)).toMatchObject({ ok: true });
    expect(await bench.ask()).toMatchObject({ VERSION: '1' });
  });

  test('because another process has the port', async () => {
    const other = createServer((_, response) => response.end('not yours'));
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    const driver = await bench.newDriver();
    const activation = await bench.activationOf('1');
    await driver.prepare(activation, source);
    await expect(driver.activate(activation.id)).rejects.toMatchObject({ code: 'port-in-use' });
    await new Promise((resolve) => other.close(resolve));
  });

  test('is put back and started at once when its health is not to be waited for', async () => {
    const driver = await bench.newDriver();
    const first = await bench.activationOf('1');
    const health = { ...first.health, intervalMs: 100, successes: 30 };
    await bench.deploy(driver, { ...first, health });
    const next = await bench.activationOf('2');
    await driver.prepare(next, source);
    await driver.activate(next.id);
    const begun = Date.now();
    expect(await driver.revert(next.id, AbortSignal.abort())).toEqual({ ok: true, value: true });
    expect(Date.now() - begun).toBeLessThan(2000);
    expect(await driver.findActive()).toMatchObject({ activationId: first.id });
    await eventually(async () => (await bench.ask()).VERSION === '1');
  });

  test('a revert that is ordered to what runs already does not interrupt it', async () => {
    const driver = await bench.newDriver();
    await bench.deploy(driver, await bench.activationOf('1'));
    const pid = await bench.recordedPid();
    const back = await bench.activationOf('1', {}, { kind: 'revert' });
    expect(await bench.deploy(driver, back)).toMatchObject({ ok: true });
    expect(await bench.recordedPid()).toBe(pid);
    expect(await driver.findActive()).toMatchObject({ activationId: back.id });
  });
});

describe('the service', () => {
  test('is started again when it dies', async () => {
    const driver = await bench.newDriver();
    await bench.deploy(driver, await bench.activationOf('1'));
    const pid = await bench.recordedPid();
    await fetch(`http://127.0.0.1:${port}/die`).catch(() => undefined);
    await eventually(async () => (await bench.ask()).VERSION === '1');
    expect(await bench.recordedPid()).not.toBe(pid);
  });

  test('outlives its driver and is adopted by the next one, never started twice', async () => {
    const first = await bench.newDriver();
    await bench.deploy(first, await bench.activationOf('1'));
    const pid = await bench.recordedPid();
    await first.close('keep');
    const found = await findProcess(pid);
    expect(found !== undefined && isRunning(found)).toBe(true);
    const second = await bench.newDriver();
    await second.resume();
    expect(await bench.recordedPid()).toBe(pid);
    process.kill(pid, 'SIGKILL');
    await eventually(async () => (await bench.ask()).VERSION === '1');
    expect(await bench.recordedPid()).not.toBe(pid);
  });

  test('is found by its environment when its pid was not written down', async () => {
    const first = await bench.newDriver();
    await bench.deploy(first, await bench.activationOf('1'));
    await first.close('keep');
    const path = join(stateDir, 'service.json');
    const record = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...record, pid: null, startTime: null }));
    await (await bench.newDriver()).resume();
    expect(await bench.recordedPid()).toBe(record.pid);
  });

  test('is not confused with a stranger that has its pid now', async () => {
    const first = await bench.newDriver();
    const activation = await bench.activationOf('1');
    await bench.deploy(first, activation);
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
    await (await bench.newDriver()).resume();
    await eventually(async () => (await bench.ask()).VERSION === '1');
    expect(await bench.recordedPid()).not.toBe(process.pid);
  });
});

test('what a killed process left half done is removed at the next start', async () => {
  await mkdir(join(stateDir, 'images/.abc.1-2.tmp'), { recursive: true });
  await writeFile(join(stateDir, 'images/.abc.1-2.tmp/half'), 'x');
  await bench.newDriver();
  expect(await readdir(join(stateDir, 'images'))).toEqual([]);
});

test('an image is there whole or not at all', async () => {
  const driver = await bench.newDriver();
  const broken: BlobSource = {
    async openBlob(blob) {
      const stream = bench.layout.blobStream(blob);
      if (blob.digest.startsWith('sha256:') && blob.size > 2000) {
        return (async function* () {
          yield Buffer.alloc(512, 1);
        })();
      }
      return stream;
    },
  };
  const activation = await bench.activationOf('1');
  await expect(driver.prepare(activation, broken)).rejects.toMatchObject({
    code: expect.stringMatching(/^layer-/),
  });
  expect(await readdir(join(stateDir, 'images'))).toEqual([]);
  expect(await readdir(join(stateDir, 'releases'))).toEqual([]);
});
