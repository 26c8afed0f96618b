import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StorePresence } from './store-presence.ts';

let folder: string;
let first: StorePresence;
let second: StorePresence;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-presence-'));
  first = new StorePresence(folder);
  second = new StorePresence(folder);
});
afterEach(() => rm(folder, { recursive: true }));

test('who collects finds nobody who builds, whatever worker that is', async () => {
  const end = await first.use();
  const other = await first.use();
  expect(await second.collect()).toBeUndefined();
  await end();
  expect(await second.collect()).toBeUndefined();
  await other();
  const over = await second.collect();
  expect(over).toBeDefined();
  expect(await first.collect()).toBeUndefined();
  await over?.();
  expect(await readdir(folder)).toEqual(['users']);
});

test('who builds says so, and waits until nobody collects', async () => {
  const over = await first.collect();
  let began = false;
  const using = second.use().then((end) => {
    began = true;
    return end;
  });
  while (!(await first.isUsed())) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(began).toBe(false);
  await over?.();
  await (await using)();
  expect(began).toBe(true);
});

test('one who waits can be cancelled, and leaves no mark', async () => {
  const over = await first.collect();
  await expect(second.use(AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('cancelled');
  expect(await first.isUsed()).toBe(false);
  await over?.();
});

test('the marks of who is gone mean nothing', async () => {
  await leaveMarks('users', 'collecting');
  const end = await first.use();
  await end();
  const over = await second.collect();
  expect(over).toBeDefined();
  expect(await readdir(join(folder, 'users'))).toEqual([]);
  await over?.();
});

test('of many who find the mark of one who is gone, one collects', async () => {
  for (let round = 0; round < 30; round += 1) {
    await leaveMarks('collecting');
    // Each begins a little later than the one before, so that one finds the mark, and another has its own by then.
    const collect = async (_: unknown, index: number) => {
      for (let turn = 0; turn < index * (round % 6); turn += 1) await nextTurn();
      return new StorePresence(folder).collect();
    };
    const all = await Promise.all(Array.from({ length: 6 }, collect));
    const [over, ...others] = all.filter((end) => end !== undefined);
    expect(over).toBeDefined();
    expect(others).toEqual([]);
    // Who lost has left what the winner has.
    expect(await first.collect()).toBeUndefined();
    await over?.();
    expect(await readdir(folder)).toEqual([]);
  }
});

test('of many who begin at the same time none builds beside one who collects', async () => {
  let building = 0;
  let collecting = 0;
  const seen: boolean[] = [];
  const look = (): void => void seen.push(collecting > 0 && building > 0);
  const build = async (): Promise<void> => {
    const end = await new StorePresence(folder).use();
    building += 1;
    look();
    await new Promise((resolve) => setImmediate(resolve));
    building -= 1;
    await end();
  };
  const collect = async (): Promise<void> => {
    const over = await new StorePresence(folder).collect();
    if (over === undefined) return;
    collecting += 1;
    look();
    await new Promise((resolve) => setImmediate(resolve));
    collecting -= 1;
    await over();
  };
  await Promise.all(Array.from({ length: 40 }, (_, index) => (index % 2 ? build() : collect())));
  expect(seen).not.toContain(true);
  expect(seen.length).toBeGreaterThanOrEqual(20);
});

/** Marks of processes that are gone for longer than a mark holds. */
async function leaveMarks(...folders: readonly string[]): Promise<void> {
  const long = new Date(Date.now() - 130_000);
  for (const name of folders) {
    const mark = join(folder, name, 'gone');
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(mark, '');
    await utimes(mark, long, long);
  }
}
