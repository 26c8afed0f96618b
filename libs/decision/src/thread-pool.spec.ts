import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { createThreadPool, type ThreadPool } from './thread-pool.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-pool-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pools: ThreadPool[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

/** Takes its orders from the input: what a policy gone wrong could do. */
const obedient = `
  import { parentPort, threadId } from 'node:worker_threads';
  parentPort.on('message', ({ id, input }) => {
    const order = JSON.parse(input);
    if (order === 'spin') for (;;);
    if (order === 'exit') process.exit(3);
    if (order === 'throw') throw new Error('thrown');
    if (order === 'refuse') return parentPort.postMessage({ id, error: 'refused' });
    parentPort.postMessage({ id, result: { order, threadId } });
  });
  parentPort.postMessage({ ready: true });
`;

function poolOf(source: string, size = 1): ThreadPool {
  const path = join(folder, `thread-${pools.length}-${Date.now()}.mjs`);
  writeFileSync(path, source);
  const pool = createThreadPool({ script: pathToFileURL(path), size, data: {} });
  pools.push(pool);
  return pool;
}

test('answers, and keeps its thread', async () => {
  const pool = poolOf(obedient);
  const [a, b] = await Promise.all([pool.run('1', 1000), pool.run('2', 1000)]);
  expect(a).toMatchObject({ order: 1 });
  expect(b).toEqual({ order: 2, threadId: (a as { threadId: number }).threadId });
});

test('a thread that spins is ended at its deadline; what waits behind it is answered by another', async () => {
  const pool = poolOf(obedient);
  const spinning = expect(pool.run('"spin"', 200)).rejects.toMatchObject({
    code: 'decision-deadline',
  });
  const waiting = pool.run('2', 1000);
  await spinning;
  expect(await waiting).toMatchObject({ order: 2 });
});

test('two threads work side by side', async () => {
  const pool = poolOf(obedient, 2);
  const spinning = expect(pool.run('"spin"', 1500)).rejects.toBeDefined();
  expect(await pool.run('2', 1000)).toMatchObject({ order: 2 });
  await spinning;
});

test.each(['"exit"', '"throw"', '"refuse"'])('after %s the next one is answered', async (order) => {
  const pool = poolOf(obedient);
  await expect(pool.run(order, 1000)).rejects.toMatchObject({ code: 'policy-failed' });
  expect(await pool.run('2', 1000)).toMatchObject({ order: 2 });
});

test('a thread that cannot start fails what waits, and is not started for ever', async () => {
  const pool = poolOf("throw new Error('broken');");
  await expect(pool.run('1', 1000)).rejects.toMatchObject({ code: 'policy-failed' });
  await expect(pool.run('1', 1000)).rejects.toMatchObject({ code: 'policy-failed' });
});

test('more than 1,000 waiting are refused', async () => {
  const pool = poolOf(obedient);
  const running = Array.from({ length: 1000 }, () => pool.run('1', 1000));
  await expect(pool.run('1', 1000)).rejects.toMatchObject({ code: 'decision-engine-busy' });
  await Promise.all(running);
});
