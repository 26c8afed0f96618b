import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isAlive } from '@sluice/temporal-server';
import { findStartTime } from './process-identity.ts';
import { RunRecord } from './run-record.ts';

describe('the run record', () => {
  let folder: string;
  let file: string;
  const started: number[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-run-'));
    file = join(folder, 'run', 'processes.json');
  });

  afterEach(async () => {
    for (const pid of started.splice(0)) {
      if (isAlive(pid)) {
        process.kill(pid, 'SIGKILL');
      }
    }
    await rm(folder, { recursive: true });
  });

  async function sleeper(): Promise<number> {
    const child = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
    await once(child, 'spawn');
    started.push(child.pid ?? 0);
    return child.pid ?? 0;
  }

  /** What a run leaves that was killed: another owner, who is gone. */
  async function pretendOwnerDied(): Promise<void> {
    const content = JSON.parse(await readFile(file, 'utf8')) as { owner: { pid: number } };
    content.owner = { ...content.owner, pid: 2 ** 22 - 1 };
    await writeFile(file, JSON.stringify(content));
  }

  test('a later run ends what a killed one left behind', async () => {
    const record = new RunRecord(file);
    await record.takeOver();
    const pid = await sleeper();
    record.add('worker', pid);
    await pretendOwnerDied();
    expect(await new RunRecord(file).takeOver()).toEqual(['worker']);
    expect(isAlive(pid)).toBe(false);
  });

  test('a process that merely has the same id is left alone', async () => {
    const record = new RunRecord(file);
    await record.takeOver();
    const pid = await sleeper();
    record.add('worker', pid);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(findStartTime(pid) ?? '?', 'another start'));
    await pretendOwnerDied();
    expect(await new RunRecord(file).takeOver()).toEqual([]);
    expect(isAlive(pid)).toBe(true);
  });

  test('what was ended in order is no leftover', async () => {
    const record = new RunRecord(file);
    await record.takeOver();
    const pid = await sleeper();
    record.add('worker', pid);
    record.remove('worker');
    await pretendOwnerDied();
    expect(await new RunRecord(file).takeOver()).toEqual([]);
    expect(isAlive(pid)).toBe(true);
  });

  test('the same process cannot take it over twice, but again when it was closed', async () => {
    const record = new RunRecord(file);
    await record.takeOver();
    await expect(new RunRecord(file).takeOver()).rejects.toMatchObject({ code: 'stack-in-use' });
    record.close();
    expect(await new RunRecord(file).takeOver()).toEqual([]);
  });

  test('a folder whose owner lives is refused, naming it', async () => {
    const owner = await sleeper();
    await new RunRecord(file).takeOver();
    const content = JSON.parse(await readFile(file, 'utf8')) as { owner: unknown };
    content.owner = { name: 'owner', pid: owner, startTime: findStartTime(owner) };
    await writeFile(file, JSON.stringify(content));
    const refusal = new RunRecord(file).takeOver();
    await expect(refusal).rejects.toMatchObject({ code: 'stack-in-use' });
    await expect(refusal).rejects.toThrow(String(owner));
  });
});

test('a process that does not exist has no start time', () => {
  expect(findStartTime(2 ** 22 - 1)).toBeUndefined();
  expect(findStartTime(process.pid)).toBe(findStartTime(process.pid));
});
