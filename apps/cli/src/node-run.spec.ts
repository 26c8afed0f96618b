import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runNode } from './node-run.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'node run '));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const program = (text: string, name = 'program.mjs') => {
  const path = join(root, name);
  writeFileSync(path, text);
  return path;
};

test('its status, its output where that is wanted, and its answers come back', async () => {
  const path = program(`
    process.once('message', (reply) => {
      console.log(JSON.stringify([process.argv.slice(2), reply, process.env.SLUICE_PARENT_ANSWERS]));
      process.exitCode = 7;
    });
    process.send({ ask: 1 });
  `);
  const answer = (message: unknown) => Promise.resolve({ told: message });
  const end = await runNode({ program: path, args: ['a b', '--c'], isCaptured: true, answer });
  expect(end.status).toBe(7);
  expect(JSON.parse(end.stdout)).toEqual([['a b', '--c'], { told: { ask: 1 } }, 'yes']);
});

test('a program that a signal ended has 128 and its number', async () => {
  const path = program("process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10000);");
  expect(await runNode({ program: path, args: [] })).toEqual({ status: 143, stdout: '' });
});

test('it sees no token and no credential of anything, and what it needs to run', async () => {
  const path = program('console.log(JSON.stringify(process.env));');
  const secrets = ['SLUICE_TOKEN', 'SLUICE_TOKEN_OTHER', 'AWS_SECRET_ACCESS_KEY', 'GITHUB_TOKEN'];
  for (const name of [...secrets, 'HTTPS_PROXY']) process.env[name] = 'secret';
  try {
    const run = { program: path, args: [], isCaptured: true };
    const { stdout } = await runNode(run);
    expect(stdout).not.toContain('secret');
    expect(JSON.parse(stdout)).toMatchObject({ PATH: process.env['PATH'] });
    const installer = await runNode({ ...run, isInstaller: true });
    expect(JSON.parse(installer.stdout)).toMatchObject({ HTTPS_PROXY: 'secret' });
    expect(installer.stdout).not.toContain('TOKEN');
  } finally {
    for (const name of [...secrets, 'HTTPS_PROXY']) delete process.env[name];
  }
});
