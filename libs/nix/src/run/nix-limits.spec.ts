import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Nix } from '../nix.ts';
import { describeLimits, type NixLimitCounts, type NixLimits } from './nix-limits.ts';
import { type NixRun, runNix } from './run-nix.ts';

let folder: string;
let nix: Nix;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-limits-'));
  const executable = join(folder, 'nix');
  // Says its number and ends as it is told to.
  await writeFile(executable, '#!/bin/sh\necho $$\nexit $1\n', { mode: 0o755 });
  nix = {
    version: '2.8',
    executable,
    storeExecutable: executable,
    store: { kind: 'own', folder: join(folder, 'store') },
    scratch: join(folder, 'scratch'),
    settings: {},
    environment: {},
    searchPath: '/usr/bin:/bin',
    graceMs: 1000,
  };
});
afterEach(() => rm(folder, { recursive: true }));

function limits(changes: Partial<NixLimitCounts> & { readonly fails?: 'make' | 'add' } = {}) {
  const { fails, ...counted } = changes;
  const did: string[] = [];
  const counts = { memoryRefusals: 0, processRefusals: 0, ...counted };
  const kept: NixLimits = {
    memoryBytes: 64 * 1024 * 1024,
    cpus: 1.5,
    processes: 32,
    mechanism: 'cgroup-v2',
    createGroup: async () => {
      if (fails === 'make') throw new Error('no space for groups');
      did.push('made');
      return {
        add: async (pid) => {
          if (fails === 'add') throw new Error('it is frozen');
          did.push(`added ${pid}: ${(await readFile(`/proc/${pid}/comm`, 'utf8')).trim()}`);
        },
        count: async () => counts,
        remove: async () => void did.push('removed'),
      };
    },
  };
  return { did, kept };
}

const run = (kept: NixLimits | undefined, more: Partial<NixRun> = {}) =>
  runNix(kept === undefined ? nix : { ...nix, limits: kept }, {
    program: 'nix',
    args: ['0'],
    timeoutMs: 10_000,
    bounded: true,
    ...more,
  });

test('limits are put on before the program begins, which is the same process', async () => {
  const { did, kept } = limits();
  const { status, stdout } = await run(kept);
  expect(status).toBe(0);
  expect(did).toEqual(['made', `added ${stdout.trim()}: sh`, 'removed']);
  expect(describeLimits(kept)).toBe('64 MiB of memory, 1.5 processors, 32 processes (cgroup-v2)');
});

test('what runs nobody else has written has none, and where there are none nothing is made', async () => {
  const { did, kept } = limits();
  const asked = { program: 'nix' as const, args: ['0'], timeoutMs: 10_000 };
  expect(await runNix({ ...nix, limits: kept }, asked)).toMatchObject({ status: 0 });
  expect(did).toEqual([]);
  expect(await run(undefined)).toMatchObject({ status: 0 });
});

test.each(['make', 'add'] as const)('where the group fails to %s nothing is run', async (fails) => {
  const { did, kept } = limits({ fails });
  await expect(run(kept)).rejects.toMatchObject({ code: 'nix-limits-missing' });
  expect(did).toEqual(fails === 'make' ? [] : ['made', 'removed']);
  expect(await readdir(nix.scratch)).toEqual([]);
  expect(listCommandLines(folder)).toEqual([]);
});

test.each([
  [{ memoryRefusals: 1 }, 'build-memory-exceeded', /more than the 64 MiB/],
  [{ processRefusals: 2 }, 'build-processes-exceeded', /more than the 32 processes/],
])('a run that fails and met a limit says which: %j', async (counts, code, message) => {
  const { kept } = limits(counts);
  const failed = run(kept, { args: ['3'] });
  await expect(failed).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(await run(kept)).toMatchObject({ status: 0 });
});

test('a program that is not there is missing, not a status', async () => {
  const { did, kept } = limits();
  nix = { ...nix, executable: join(folder, 'gone') };
  await expect(run(kept)).rejects.toMatchObject({ code: 'nix-missing' });
  expect(did).toEqual([]);
});

test('what a worker that was killed left is removed when nobody can come back for it', async () => {
  const long = new Date(Date.now() - 26 * 60 * 60 * 1000);
  for (const name of ['nix-old', 'root-old', 'nix-new', 'mine']) {
    await mkdir(join(nix.scratch, name, 'tmp'), { recursive: true });
    if (name.endsWith('new')) continue;
    await utimes(join(nix.scratch, name), long, long);
  }
  await run(undefined);
  expect((await readdir(nix.scratch)).sort()).toEqual(['mine', 'nix-new']);
});

function listCommandLines(word: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const line = readLine(`/proc/${pid}/cmdline`);
      return line.includes(`${word}/nix`) ? [line] : [];
    });
}

function readLine(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
