import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isAlive } from '@sluice/temporal-server';
import { startApp } from './app-process.ts';
import { RunRecord } from './run-record.ts';
import { StackParts } from './stack-parts.ts';

const APP = `
process.on('SIGTERM', () => { console.error('told to end'); process.exit(0); });
setInterval(() => undefined, 1000);
if (process.env.SAY !== undefined) console.log(process.env.SAY);
if (process.env.FAIL !== undefined) { console.error('no database'); process.exit(3); }
console.log(JSON.stringify({ ready: true, port: 1 }));
`;

describe('the parts of a stack', () => {
  let folder: string;
  let parts: StackParts;
  const ended: string[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice parts '));
    await writeFile(join(folder, 'app.mjs'), APP);
    parts = new StackParts(new RunRecord(join(folder, 'run.json')), (name) => ended.push(name));
    ended.length = 0;
  });

  afterEach(async () => {
    await parts.stopAll();
    await rm(folder, { recursive: true });
  });

  function addApp(name: string, env: Record<string, string> = {}): void {
    parts.add(name, (onSpawn) =>
      startApp(
        { name, script: join(folder, 'app.mjs'), env, logFile: join(folder, `${name}.log`) },
        onSpawn,
      ),
    );
  }

  test('a part is ready when it says so, and ends when it is asked to', async () => {
    addApp('one', { SAY: '{"ready":false}' });
    await parts.start('one');
    const pid = parts.getPid('one');
    expect(isAlive(pid)).toBe(true);
    await parts.stop('one');
    expect([isAlive(pid), parts.isRunning('one')]).toEqual([false, false]);
    expect(await readFile(join(folder, 'one.log'), 'utf8')).toBe('told to end\n');
    expect(ended).toEqual([]);
  });

  test('a killed part can be started again, a paused one goes on', async () => {
    addApp('one');
    await parts.start('one');
    const pid = parts.getPid('one');
    await parts.kill('one');
    expect(isAlive(pid)).toBe(false);
    await parts.start('one');
    await parts.kill('one', 'SIGSTOP');
    expect(parts.isRunning('one')).toBe(true);
    await parts.kill('one', 'SIGCONT');
    await parts.stop('one');
    expect(ended).toEqual([]);
  });

  test('one that ends by itself is reported', async () => {
    addApp('one');
    await parts.start('one');
    process.kill(parts.getPid('one'), 'SIGKILL');
    for (let turn = 0; turn < 200 && ended.length === 0; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect([ended, parts.isRunning('one')]).toEqual([['one'], false]);
  });

  test('one that fails while it starts is an error with the last lines of its log', async () => {
    addApp('one', { FAIL: 'yes' });
    const failure = parts.start('one');
    await expect(failure).rejects.toMatchObject({ code: 'stack-part-failed' });
    await expect(failure).rejects.toThrow(
      /The one ended while it started \(status 3\).*\nno database/,
    );
  });

  test('a name that is not there is refused, naming those that are', async () => {
    addApp('one');
    await expect(parts.start('two')).rejects.toThrow('it has one.');
    expect(() => parts.getPid('one')).toThrow('does not run');
  });
});
