import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { makeScratch } from './scratch-folder.ts';

const parent = await realpath(await mkdtemp(join(tmpdir(), 'sluice-scratch-')));
afterAll(() => rm(parent, { recursive: true }));

/** A process that nobody waits for, as the worker leaves one that is killed. */
async function startOrphan(environment: Readonly<Record<string, string>>): Promise<number> {
  const shell = spawn('sh', ['-c', 'sleep 120 >/dev/null 2>&1 & echo $!'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env['PATH'], ...environment },
  });
  let told = '';
  shell.stdout.on('data', (chunk) => {
    told += chunk;
  });
  await new Promise((resolve) => shell.once('close', resolve));
  return Number(told);
}

/** What nobody has waited for yet does not run either. */
async function isRunning(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text !== '' && !text.includes(') Z');
}

test.each(['TMPDIR', 'NIX_BUILD_TOP'])(
  'what a killed worker left stopped is ended, by its %s; what runs, and what is of others, is not',
  async (name) => {
    const inside = join(parent, 'nix-before', 'tmp');
    const stopped = await startOrphan({ [name]: inside });
    const running = await startOrphan({ [name]: inside });
    const foreign = await startOrphan({ [name]: '/elsewhere/nix-1/tmp' });
    try {
      for (const pid of [stopped, foreign]) process.kill(pid, 'SIGSTOP');
      const scratch = await makeScratch(parent);
      expect(existsSync(scratch)).toBe(true);
      expect(await isRunning(stopped)).toBe(false);
      for (const pid of [running, foreign]) expect(await isRunning(pid)).toBe(true);
    } finally {
      for (const pid of [running, foreign]) process.kill(pid, 'SIGKILL');
    }
  },
);
