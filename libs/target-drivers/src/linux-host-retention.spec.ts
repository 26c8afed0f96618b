import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, HostBench, releaseOf } from './host-bench.ts';
import type { DriverPoint } from './linux-host-driver.ts';
import type { TargetDriver } from './target-driver.ts';

let bench: HostBench;

beforeEach(async () => {
  bench = await HostBench.make();
});

afterEach(() => bench.remove());

async function deployAll(driver: TargetDriver, tags: readonly (string | null)[]): Promise<void> {
  for (const tag of tags) {
    expect(await bench.deploy(driver, await bench.activationOf(tag))).toMatchObject({ ok: true });
  }
}

/** A driver that comes to this point and no further, as one that is killed there. */
async function driverUntil(point: DriverPoint, keepReleases: number) {
  let arrived: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const driver = await bench.newDriver({
    keepReleases,
    onPoint: async (name) => {
      if (name !== point) return;
      arrived();
      await new Promise(() => undefined);
    },
  });
  return { driver, reached };
}

describe('after a confirmation there stay', () => {
  test('the artifacts of the last three releases', async () => {
    const driver = await bench.newDriver();
    await deployAll(driver, ['1', '2', '3', '4', '5']);
    expect(await bench.imageTags()).toEqual(['3', '4', '5']);
    expect(await readdir(join(bench.stateDir, 'releases'))).toHaveLength(3);
    expect(await readdir(join(bench.stateDir, 'image-records'))).toHaveLength(3);
    expect(existsSync(join(bench.stateDir, 'current/confirmed.json'))).toBe(true);
  });

  test('of one release that was confirmed twice one copy, which takes one place', async () => {
    const driver = await bench.newDriver({ keepReleases: 3 });
    await deployAll(driver, ['1', '2', '2', '3', '3']);
    expect(await bench.imageTags()).toEqual(['1', '2', '3']);
    await deployAll(driver, ['1', '4']);
    expect(await bench.imageTags()).toEqual(['1', '3', '4']);
  });

  test('however few: the current one, the one before it, and the last good other one', async () => {
    const driver = await bench.newDriver({ keepReleases: 1 });
    await deployAll(driver, ['1', '2']);
    const again = await bench.activationOf('2', { MODE: 'other' });
    await bench.deploy(driver, again);
    await deployAll(driver, ['2']);
    // Two activations of release 2 are the current one and the one before it; 1 is what one can go back to.
    expect(await bench.imageTags()).toEqual(['1', '2']);
    expect(await readdir(join(bench.stateDir, 'releases'))).toHaveLength(3);
  });

  test('nothing of a release that was never well, or that a revert replaced', async () => {
    const driver = await bench.newDriver({ keepReleases: 2 });
    await deployAll(driver, ['1', '2']);
    const bad = await bench.activationOf('3', { MODE: 'crash' });
    expect(await bench.deploy(driver, bad)).toMatchObject({ ok: false });
    await driver.revert(bad.id);
    await deployAll(driver, ['4']);
    expect(await bench.imageTags()).toEqual(['2', '4']);
    await bench.deploy(driver, await bench.activationOf('2', {}, { kind: 'revert' }));
    await deployAll(driver, ['5']);
    // 4 was well here, but was found bad elsewhere: 2 is the last good one.
    expect(await bench.imageTags()).toEqual(['2', '5']);
  });

  test('fewer when fewer shall be kept from then on, more when more', async () => {
    const deployKeeping = async (keepReleases: number, tags: readonly string[]) => {
      const driver = await bench.newDriver({ keepReleases });
      await deployAll(driver, tags);
      await driver.close('keep');
      return bench.imageTags();
    };
    expect(await deployKeeping(5, ['1', '2', '3', '4'])).toEqual(['1', '2', '3', '4']);
    expect(await deployKeeping(1, ['5'])).toEqual(['4', '5']);
    expect(await deployKeeping(50, ['1', '2'])).toEqual(['1', '2', '4', '5']);
  });

  test.each<DriverPoint>(['marked', 'pruning'])(
    'the same when the process is killed at "%s"',
    async (point) => {
      const first = await bench.newDriver({ keepReleases: 2 });
      await deployAll(first, ['1', '2', '3']);
      await first.close('keep');
      const { driver, reached } = await driverUntil(point, 1);
      const next = await bench.activationOf('4');
      await driver.prepare(next, bench.source);
      await driver.activate(next.id);
      void driver.confirm(next.id);
      await reached;
      await driver.close('keep');
      const pid = await bench.recordedPid();
      // What is linked and what was before it is whole at every moment.
      expect((await bench.imageTags()).slice(-2)).toEqual(['3', '4']);
      const second = await bench.newDriver({ keepReleases: 1 });
      expect(await second.confirm(next.id)).toEqual({ ok: true, value: true });
      expect(await bench.recordedPid()).toBe(pid);
      expect(await bench.imageTags()).toEqual(['3', '4']);
      expect(await readdir(join(bench.stateDir, 'image-records'))).toHaveLength(2);
      expect(await readdir(join(bench.stateDir, 'releases'))).toHaveLength(2);
    },
  );

  test('what a removal left half done goes at the next start, and is never taken for whole', async () => {
    const driver = await bench.newDriver();
    await deployAll(driver, ['1', '2']);
    const hex = bench.digestOf('1').slice(7);
    const images = join(bench.stateDir, 'images');
    await rename(bench.imagePath('1'), join(images, `.${hex}.7-ab.tmp`));
    await rm(join(images, `.${hex}.7-ab.tmp`, 'version'));
    await bench.newDriver();
    expect(await bench.imageTags()).toEqual(['2']);
    const back = await bench.activationOf('1');
    await expect(driver.prepare(back, bench.refusing)).rejects.toMatchObject({
      code: 'blob-refused',
    });
  });

  test('a removal that fails fails no deployment', async () => {
    const said: string[] = [];
    const driver = await bench.newDriver({
      keepReleases: 1,
      log: (level, message) => said.push(`${level} ${message}`),
      onPoint: async (point) => {
        if (point === 'pruning') throw new Error('EBUSY');
      },
    });
    await deployAll(driver, ['1', '2', '3']);
    expect(said).toContain('warn Old releases can not be removed: EBUSY.');
  });
});

describe('a release whose artifacts are kept', () => {
  test('is put back without one blob, by this process and by the next', async () => {
    const driver = await bench.newDriver();
    await deployAll(driver, ['1', '2']);
    const back = await bench.activationOf('1', { MODE: 'new settings' });
    expect(await bench.deploy(driver, back, bench.refusing)).toMatchObject({ ok: true });
    expect(await bench.ask()).toMatchObject({ VERSION: '1', MODE: 'new settings' });
    await driver.close('keep');
    const next = await bench.newDriver();
    const forth = await bench.activationOf('2');
    expect(await bench.deploy(next, forth, bench.refusing)).toMatchObject({ ok: true });
    expect(await bench.ask()).toMatchObject({ VERSION: '2' });
  });

  test('may have had files written into its folder by its service', async () => {
    const driver = await bench.newDriver();
    await deployAll(driver, ['1', '2']);
    await mkdir(join(bench.imagePath('1'), 'cache'));
    await writeFile(join(bench.imagePath('1'), 'cache/entry'), 'x');
    const back = await bench.activationOf('1');
    expect(await bench.deploy(driver, back, bench.refusing)).toMatchObject({ ok: true });
  });

  const recordPath = (name: string) =>
    join(bench.stateDir, 'image-records', bench.digestOf('1').slice(7), name);

  test.each<[string, () => Promise<void>]>([
    ['a changed file', () => writeFile(join(bench.imagePath('1'), 'version'), '9')],
    ['a longer file', () => appendFile(join(bench.imagePath('1'), 'version'), '9')],
    ['a missing file', () => rm(join(bench.imagePath('1'), 'version'))],
    ['another mode', () => chmod(join(bench.imagePath('1'), 'version'), 0o777)],
    ['no folder', () => rm(bench.imagePath('1'), { recursive: true })],
    ['no record', () => rm(recordPath('.'), { recursive: true })],
    ['a cut record', () => writeFile(recordPath('record.json'), '{"sch')],
    ['a cut list of files', () => writeFile(recordPath('files'), '')],
    ['a changed manifest', () => appendFile(recordPath('manifest'), ' ')],
    ['a changed config', () => appendFile(recordPath('config'), ' ')],
    ['no config', () => rm(recordPath('config'))],
  ])('is fetched again when it has %s', async (_, damage) => {
    const driver = await bench.newDriver();
    await deployAll(driver, ['1', '2']);
    await damage();
    const back = await bench.activationOf('1');
    await expect(driver.prepare(back, bench.refusing)).rejects.toMatchObject({
      code: 'blob-refused',
    });
    // What could not be fetched has not made things worse.
    expect(await bench.ask()).toMatchObject({ VERSION: '2' });
    expect(await bench.deploy(driver, back)).toMatchObject({ ok: true });
    expect(await bench.ask()).toMatchObject({ VERSION: '1' });
    await deployAll(driver, ['2']);
    const again = await bench.activationOf('1');
    expect(await bench.deploy(driver, again, bench.refusing)).toMatchObject({ ok: true });
    expect(await bench.imageTags()).toEqual(['1', '2']);
  });

  test('is replaced under a service that runs in it without disturbing that', async () => {
    const driver = await bench.newDriver();
    await deployAll(driver, ['1']);
    const pid = await bench.recordedPid();
    await writeFile(join(bench.imagePath('1'), 'version'), 'damaged');
    const next = await bench.activationOf('1', { MODE: 'next' });
    await driver.prepare(next, bench.source);
    expect(await bench.recordedPid()).toBe(pid);
    expect((await bench.ask()).MODE).toBe('good');
    expect(await bench.imageTags()).toHaveLength(2);
    await driver.activate(next.id);
    expect(await driver.confirm(next.id)).toMatchObject({ ok: true });
    expect(await bench.imageTags()).toEqual(['1']);
  });

  test('has its folder back when the process was killed while that was replaced', async () => {
    await deployAll(await bench.newDriver(), ['1']);
    const hex = bench.digestOf('1').slice(7);
    await rename(bench.imagePath('1'), join(bench.stateDir, 'images', `.${hex}.7-ab.old`));
    await mkdir(join(bench.stateDir, 'images', `.${hex}.7-cd.old`));
    await bench.newDriver();
    expect(existsSync(bench.imagePath('1'))).toBe(true);
  });
});

describe('emptying the target', () => {
  test('keeps the artifacts', async () => {
    const driver = await bench.newDriver({ keepReleases: 2 });
    await deployAll(driver, ['1', '2', null, null]);
    expect(await bench.imageTags()).toEqual(['1', '2']);
    const back = await bench.activationOf('1');
    expect(await bench.deploy(driver, back, bench.refusing)).toMatchObject({ ok: true });
    expect(await bench.ask()).toMatchObject({ VERSION: '1' });
  });

  test('works when it is empty, and never was anything else', async () => {
    const driver = await bench.newDriver();
    await deployAll(driver, [null, null]);
    expect(await driver.findActive()).toBeUndefined();
  });

  test('works when the service is dead and can not be started', async () => {
    const driver = await bench.newDriver();
    await deployAll(driver, ['1']);
    await rm(bench.imagePath('1'), { recursive: true });
    await bench.ask('die').catch(() => undefined);
    await deployAll(driver, [null]);
    expect(await driver.findActive()).toBeUndefined();
    await expect(bench.ask()).rejects.toThrow();
  });

  test('works when what is active was never confirmed', async () => {
    const driver = await bench.newDriver();
    const sick = await bench.activationOf('1', { MODE: 'sick' });
    await driver.prepare(sick, bench.source);
    await driver.activate(sick.id);
    await deployAll(driver, [null]);
    await eventually(async () => !(await bench.ask().then(Boolean, () => false)));
  });

  test('works when the folder of what is active is gone: nobody can tell what it was', async () => {
    const driver = await bench.newDriver();
    const lost = await bench.activationOf('1');
    await bench.deploy(driver, lost);
    await driver.close('keep');
    await rm(join(bench.stateDir, 'releases', lost.id.slice(7)), { recursive: true });
    const next = await bench.newDriver();
    await next.resume();
    expect(await next.findActive()).toBeUndefined();
    await deployAll(next, [null]);
    await expect(bench.ask()).rejects.toThrow();
    await deployAll(next, ['2']);
    expect(await next.findActive()).toMatchObject({ releaseDigest: releaseOf('2').digest });
  });
});
