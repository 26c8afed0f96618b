import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { hasStartProgram, nixCommand } from './nix-service.ts';

const run = promisify(execFile);
const BASE = '0c5b7z3kq2m9v1x8y6w4r2n0s5d7f9g1-app';
const PATH = process.env['PATH'] ?? '';
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-store-'));
  await mkdir(join(folder, BASE, 'bin'), { recursive: true });
  const start = join(folder, BASE, 'bin/start');
  await writeFile(
    start,
    '#!/bin/sh\necho "$0 in $PWD"; touch "$PWD/written" 2>/dev/null || echo read-only\n',
  );
  await chmod(start, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function outputOf(storeDir: string): Promise<string> {
  const storePath = `${storeDir}/${BASE}`;
  const [program, ...args] = await nixCommand(storePath, { storeDir, folder }, PATH);
  return (await run(program, args)).stdout;
}

test('a store that the host does not have is seen by the service alone', async () => {
  const storeDir = '/sluice-no-such-folder/store';
  expect(await outputOf(storeDir)).toBe(
    `${storeDir}/${BASE}/bin/start in ${storeDir}/${BASE}\nread-only\n`,
  );
  expect(existsSync('/sluice-no-such-folder')).toBe(false);
  const storePath = `${storeDir}/${BASE}`;
  const [program, ...args] = await nixCommand(storePath, { storeDir, folder }, PATH);
  const host = [
    ...args.slice(0, -1),
    '/bin/sh',
    '-c',
    'ls -d /proc/self /dev/null /tmp /etc/passwd',
  ];
  expect((await run(program, host)).stdout.split('\n')).toHaveLength(5);
});

test('a store that the host has is hidden by the agent’s for the service', async () => {
  const storeDir = join(folder, 'of-the-host');
  await mkdir(join(storeDir, 'of-nix'), { recursive: true });
  expect(await outputOf(storeDir)).toContain(`${storeDir}/${BASE}/bin/start in`);
  expect(existsSync(join(storeDir, 'of-nix'))).toBe(true);
});

test('a store at its own place needs nothing', async () => {
  const storePath = join(folder, BASE);
  expect(await nixCommand(storePath, { storeDir: folder, folder }, '/nowhere')).toEqual([
    join(storePath, 'bin/start'),
  ]);
});

test('a program is found through links in the store, and nowhere else', async () => {
  const storeDir = '/nix/store';
  const store = { storeDir, folder };
  const linkTo = async (name: string, target: string) => {
    await mkdir(join(folder, name, 'bin'), { recursive: true });
    await symlink(target, join(folder, name, 'bin/start'));
    return hasStartProgram(`${storeDir}/${name}`, store);
  };
  expect(await hasStartProgram(`${storeDir}/${BASE}`, store)).toBe(true);
  expect(await linkTo('absolute', `${storeDir}/${BASE}/bin/start`)).toBe(true);
  expect(await linkTo('relative', `../../${BASE}/bin/start`)).toBe(true);
  expect(await linkTo('circle', `${storeDir}/circle/bin/start`)).toBe(false);
  expect(await linkTo('away', '/no/such/program')).toBe(false);
  expect(await hasStartProgram(`${storeDir}/none`, store)).toBe(false);
});
