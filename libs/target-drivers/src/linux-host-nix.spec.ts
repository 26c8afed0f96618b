import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { removeTree } from '@sluice/nix';
import { digestOfBytes } from '@sluice/pure';
import { eventually } from './host-bench.ts';
import { createLinuxHostDriver, type LinuxHostOptions } from './linux-host-driver.ts';
import type { TargetDriver } from './target-driver.ts';
import { NixHostBench } from './testing/nix-host-bench.ts';

let bench: NixHostBench;
let drivers: TargetDriver[];

beforeAll(async () => {
  bench = await NixHostBench.make((await getTool('nix')).path);
}, 600_000);
afterAll(() => bench.remove());

beforeEach(() => {
  drivers = [];
});
afterEach(async () => {
  for (const driver of drivers) await driver.close('stop');
  await removeTree(bench.host.stateDir);
});

async function newDriver(options: Partial<LinuxHostOptions> = {}): Promise<TargetDriver> {
  const driver = await createLinuxHostDriver({
    stateDir: bench.host.stateDir,
    graceMs: 1000,
    watchMs: 100,
    generator: 'test/1',
    ...options,
  });
  drivers.push(driver);
  return driver;
}

async function deployAll(driver: TargetDriver, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const activation = bench.activationOf([name]);
    expect(await bench.host.deploy(driver, activation, bench.source)).toEqual({
      ok: true,
      value: true,
    });
  }
}

const refused = (code: string) => expect.objectContaining({ code });

describe('a release of store paths', () => {
  test('is unpacked, started as bin/start, and sees its store where it was built', async () => {
    await deployAll(await newDriver(), ['app-1']);
    const answer = await bench.host.ask();
    const { storePath } = bench.built('app-1').component;
    expect(answer).toMatchObject({ VERSION: '1', cwd: storePath, PORT: String(bench.host.port) });
    expect(answer['self']).toMatch(new RegExp(`^${bench.storeDir}/.*-server/server.mjs$`));
    expect(await bench.storePaths()).toEqual(['app-1', 'server']);
    const record = JSON.parse(await readFile(join(bench.host.stateDir, 'service.json'), 'utf8'));
    expect(await readlink(`/proc/${record.pid}/exe`)).toMatch(/bwrap$/);
    const { release } = JSON.parse(
      await readFile(join(bench.host.stateDir, 'current', 'sluice.version.json'), 'utf8'),
    );
    expect(release.components).toEqual([
      { name: 'app-1', digest: bench.built('app-1').payload.digest, version: '1' },
    ]);
  });

  test('may have more components: one is started, the others are there', async () => {
    const driver = await newDriver();
    const activation = bench.activationOf(['library', 'app-2']);
    await bench.host.deploy(driver, activation, bench.source);
    expect(await bench.host.ask()).toMatchObject({ VERSION: '2' });
    expect(await bench.storePaths()).toEqual(['app-2', 'library', 'server']);
  });

  test('may start by a link into another store path', async () => {
    await deployAll(await newDriver(), ['linked']);
    expect(await bench.host.ask()).toMatchObject({ VERSION: '1' });
  });

  test('is ended whole, with what it runs under', async () => {
    const driver = await newDriver();
    await deployAll(driver, ['app-1']);
    await driver.close('stop');
    await expect(bench.host.ask()).rejects.toThrow();
    const left = await commandLines();
    expect(left.filter((line) => line.includes(bench.storeDir))).toEqual([]);
  });

  test('is put back without the control plane when the next one is bad', async () => {
    const driver = await newDriver();
    await deployAll(driver, ['app-1']);
    const bad = bench.activationOf(['app-2'], { MODE: 'crash' });
    await driver.prepare(bad, bench.source);
    await driver.activate(bad.id);
    expect(await driver.confirm(bad.id)).toMatchObject({ ok: false });
    expect(await driver.revert(bad.id)).toEqual({ ok: true, value: true });
    expect(await bench.host.ask()).toMatchObject({ VERSION: '1' });
  });

  test('is rolled back to from what lies here', async () => {
    const driver = await newDriver();
    await deployAll(driver, ['app-1', 'app-2']);
    const back = bench.activationOf(['app-1']);
    await bench.host.deploy(driver, back, bench.host.refusing);
    expect(await bench.host.ask()).toMatchObject({ VERSION: '1' });
  });

  test('runs on while its agent is away, and is found again', async () => {
    const first = await newDriver();
    await deployAll(first, ['app-1']);
    const pid = await bench.host.recordedPid();
    await first.close('keep');
    const second = await newDriver();
    await second.resume();
    expect(await bench.host.recordedPid()).toBe(pid);
    process.kill(-pid, 'SIGKILL');
    await eventually(async () => (await bench.host.ask())['VERSION'] === '1');
  });
});

describe('on the target there stay', () => {
  test('the store paths of kept releases, and no others', async () => {
    const driver = await newDriver({ keepReleases: 1 });
    await deployAll(driver, ['app-1', 'app-2', 'app-3']);
    expect(await bench.storePaths()).toEqual(['app-2', 'app-3', 'server']);
    expect(await readdir(join(bench.host.stateDir, 'closure-records'))).toHaveLength(2);
  });

  test('whole store paths: one that was damaged is fetched again, and its wreck goes', async () => {
    const driver = await newDriver({ keepReleases: 1 });
    await deployAll(driver, ['app-1']);
    const start = join(
      bench.host.stateDir,
      'nix-store',
      basename(bench.built('app-1').component.storePath),
      'bin/start',
    );
    await chmod(start, 0o755);
    await writeFile(start, '#!/bin/sh\nexit 1\n');
    bench.asked.length = 0;
    await deployAll(driver, ['app-1']);
    expect(bench.asked).toContain(bench.built('app-1').component.closure.digest);
    expect(await readFile(start, 'utf8')).toContain('VERSION=1');
    await deployAll(driver, ['app-2']);
    const names = await readdir(join(bench.host.stateDir, 'nix-store'));
    expect(names.filter((name) => name.endsWith('.old'))).toEqual([]);
  });

  test('the same after the agent was killed between store paths and their record', async () => {
    let arrived: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const first = await newDriver({
      onPoint: async (point) => {
        if (point !== 'unpacked') return;
        arrived();
        await new Promise(() => undefined);
      },
    });
    const activation = bench.activationOf(['app-1']);
    void first.prepare(activation, bench.source);
    await reached;
    await first.close('keep');
    await mkdir(join(bench.host.stateDir, 'nix-store', '.sluice-import-left'));
    const second = await newDriver();
    await bench.host.deploy(second, activation, bench.source);
    expect(await bench.host.ask()).toMatchObject({ VERSION: '1' });
    expect(existsSync(join(bench.host.stateDir, 'nix-store', '.sluice-import-left'))).toBe(false);
  });
});

describe('refused before anything is changed is', () => {
  test.each([
    ['a store path without a program', ['library'], 'components-unsupported'],
    ['a program that is not executable', ['broken'], 'components-unsupported'],
    ['two programs', ['app-1', 'app-2'], 'components-unsupported'],
  ])('%s', async (_what, packages, code) => {
    const driver = await newDriver();
    await expect(driver.prepare(bench.activationOf(packages), bench.source)).rejects.toEqual(
      refused(code),
    );
    expect(await driver.findActive()).toBeUndefined();
  });

  test('an archive that belongs to another component', async () => {
    const { component } = bench.built('app-1');
    const forged = { ...component, closure: bench.built('app-2').component.closure };
    const payload = await bench.keepComponent('app-1', forged);
    const wanted = bench.activationOf(['app-1']);
    const desired = {
      ...(wanted.desired as NonNullable<typeof wanted.desired>),
      components: [payload],
    };
    const driver = await newDriver();
    await expect(driver.prepare({ ...wanted, desired }, bench.source)).rejects.toEqual(
      refused('closure-invalid'),
    );
    expect(await bench.storePaths()).toEqual([]);
  });

  test('a store path with another NAR hash', async () => {
    const { component } = bench.built('app-1');
    const payload = await bench.keepComponent('app-1', {
      ...component,
      narHash: digestOfBytes('x'),
    });
    const wanted = bench.activationOf(['app-1']);
    const desired = {
      ...(wanted.desired as NonNullable<typeof wanted.desired>),
      components: [payload],
    };
    const driver = await newDriver();
    await expect(driver.prepare({ ...wanted, desired }, bench.source)).rejects.toEqual(
      refused('closure-nar-mismatch'),
    );
  });

  test('a host without bubblewrap, before the archive is fetched', async () => {
    const driver = await newDriver({ hostPath: '/nowhere' });
    bench.asked.length = 0;
    const { payload } = bench.built('app-1');
    await expect(driver.prepare(bench.activationOf(['app-1']), bench.source)).rejects.toEqual(
      refused('nix-store-unmountable'),
    );
    expect(bench.asked).toEqual([payload.digest]);
  });
});

describe('the folder for store paths', () => {
  test('may be the very folder of the store: then nothing is mounted', async () => {
    await removeTree(bench.storeDir);
    const driver = await newDriver({ nixStore: bench.storeDir });
    await deployAll(driver, ['app-1']);
    expect(await bench.host.ask()).toMatchObject({ VERSION: '1' });
    const record = JSON.parse(await readFile(join(bench.host.stateDir, 'service.json'), 'utf8'));
    expect(await readlink(`/proc/${record.pid}/exe`)).not.toMatch(/bwrap$/);
  });

  test('is one agent’s alone', async () => {
    const nixStore = join(bench.host.folder, 'shared');
    await newDriver({ nixStore });
    await expect(
      newDriver({ nixStore, stateDir: join(bench.host.folder, 'other') }),
    ).rejects.toEqual(refused('nix-store-taken'));
    await newDriver({ nixStore });
  });

  test('is not one that has something in it, such as that of Nix', async () => {
    const nixStore = join(bench.host.folder, 'foreign');
    await mkdir(join(nixStore, 'something'), { recursive: true });
    await expect(newDriver({ nixStore })).rejects.toEqual(refused('nix-store-taken'));
    expect(await readdir(nixStore)).toEqual(['something']);
  });
});

async function commandLines(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.map((line) => line.replaceAll('\0', ' '));
}
