import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { type QueueCheck, type QueueWatchOptions, watchQueues } from './queue-watch.ts';

const { script, build } = TASK_QUEUES;

function watch(check: QueueCheck, options: Partial<QueueWatchOptions> = {}) {
  const changes: unknown[] = [];
  const watched = watchQueues({
    checks: new Map([[script, check]]),
    logger: createLogger({ service: 'test', level: 'silent' }),
    onChange: (queue, missing) => changes.push([queue, missing]),
    ...options,
  });
  return { ...watched, changes };
}

test('a look that is asked for is done at once, and each change is told once', async () => {
  const lacks: (string | undefined)[] = [undefined, 'no bwrap', 'no bwrap at all', undefined];
  const watched = watch(async () => lacks.shift());
  for (let look = 0; look < 4; look += 1) {
    void watched.look(script);
    await delay(5);
  }
  void watched.look(build);
  await watched.stop();
  expect(watched.changes).toEqual([
    [script, 'no bwrap'],
    [script, 'no bwrap at all'],
    [script, undefined],
  ]);
});

test('who asks is told what is missing by a look that began after the question', async () => {
  const began: number[] = [];
  const lacks: string[] = [];
  const watched = watch(async () => {
    began.push(performance.now());
    const found = lacks.at(-1);
    await delay(20);
    return found;
  });
  const before = watched.look(script);
  await delay(5);
  lacks.push('no bwrap');
  const after = [watched.look(script), watched.look(script)];
  expect(await Promise.all([before, ...after])).toEqual([undefined, 'no bwrap', 'no bwrap']);
  // Two who asked at the same time were told by the same one.
  expect(began).toHaveLength(2);
  expect(await watched.look(build)).toBeUndefined();
  await watched.stop();
  expect(await watched.look(script)).toBeUndefined();
});

test('one that is to stop ends its look, and waits for no look that goes on', async () => {
  let told: unknown;
  const heeding = watch(
    (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          told = signal.reason;
          reject(new Error('was ended'));
        });
      }),
  );
  const asked = heeding.look(script);
  await heeding.stop();
  expect(told).toMatchObject({ message: 'The worker stops.' });
  expect(await asked).toBeUndefined();
  expect(heeding.changes).toEqual([]);

  const hanging = watch(() => new Promise(() => undefined), { endMs: 20 });
  void hanging.look(script);
  await hanging.stop();
  expect(hanging.changes).toEqual([]);
});

test('it is looked now and then; a look that fails lacks something, and none runs beside another', async () => {
  let running = 0;
  let most = 0;
  const watched = watch(
    async () => {
      running += 1;
      most = Math.max(most, running);
      await delay(20);
      running -= 1;
      throw new Error('the machine is full');
    },
    { periodMs: 5 },
  );
  void watched.look(script);
  await delay(70);
  await watched.stop();
  expect(watched.changes).toEqual([[script, 'the machine is full']]);
  expect(most).toBe(1);
  expect(running).toBe(0);
});
