import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import {
  countAttempt,
  type Pool,
  setStepState,
  startMember,
  withTenant,
} from '@sluice/persistence';
import { createFakeScope } from '../testing/fake-scope.ts';
import {
  type BegunCourse,
  type CourseScene,
  createCourseScene,
  SCENE_TENANT,
} from '../testing/index.ts';
import { placeOf } from './attempt-count.ts';
import type { BegunRun } from './run-step.ts';
import { withFence } from './step-fence.ts';

const LOOK_MS = 10;

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene();
});
afterAll(() => room.close());

const inTenant = <T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> =>
  withTenant(room.scene.worker, SCENE_TENANT, work);

/** A script that was begun on a worker which hears nothing from the engine. */
async function begin(pool: Pool = room.scene.worker) {
  const course = await room.begin({
    steps: [{ id: 'migrate', type: 'script@1', inputs: { source: 'true' } }],
  });
  const input = course.input('migrate');
  await inTenant((tx) => setStepState(tx, { ...placeOf(input), state: 'running' }));
  const count = (): Promise<number> =>
    inTenant(async (tx) => (await countAttempt(tx, placeOf(input))) ?? -1);
  const ended = new AbortController();
  let tellBegun: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    tellBegun = resolve;
  });
  const run = {
    input,
    scope: createFakeScope({ cancellation: ended.signal }),
    log: createLogger({ service: 'test', level: 'silent' }),
  } as unknown as BegunRun;
  let isDone = false;
  const running = withFence(
    { pool },
    run,
    count,
    async ({ scope, beginEffect }) => {
      await beginEffect?.();
      tellBegun();
      while (!isDone) {
        scope.cancellation.throwIfAborted();
        await delay(5);
      }
      return 'done';
    },
    LOOK_MS,
  );
  running.catch(() => undefined);
  await begun;
  return {
    course,
    running,
    count,
    cancel: () => ended.abort(new Error('cancelled by the engine')),
    finish: () => {
      isDone = true;
    },
  };
}

const endStep = ({ promotion: { promotionId } }: BegunCourse, stepId: string): Promise<unknown> =>
  inTenant((tx) => setStepState(tx, { promotionId, stepId, state: 'cancelled' }));

test('what runs on while its step runs comes to its own end', async () => {
  const { running, finish } = await begin();
  await delay(5 * LOOK_MS);
  finish();
  expect(await running).toBe('done');
});

test('it is ended when its step has ended, and when another attempt has begun', async () => {
  const settled = await begin();
  await endStep(settled.course, 'migrate');
  await expect(settled.running).rejects.toMatchObject({ type: 'IllegalTransition' });
  const overtaken = await begin();
  expect(await overtaken.count()).toBe(2);
  await expect(overtaken.running).rejects.toMatchObject({ type: 'IllegalTransition' });
});

test('a cancellation of the engine stays one, and records that are away end nothing', async () => {
  const cancelled = await begin();
  cancelled.cancel();
  await expect(cancelled.running).rejects.toThrow('cancelled by the engine');
  const away = { connect: () => Promise.reject(new Error('away')) } as unknown as Pool;
  const lonely = await begin(away);
  await delay(5 * LOOK_MS);
  lonely.finish();
  expect(await lonely.running).toBe('done');
});

test('a member does not begin any more when its step has ended, as little as a step does', async () => {
  const course = await room.begin({
    steps: [{ id: 'each', type: 'noop@1', matrix: { over: { values: ['a', 'b'] } } }],
  });
  const { promotion } = course;
  const { keys = [] } = await room.activities([]).expandMatrix({ promotion, stepId: 'each' });
  const key = keys[0] ?? '';
  const place = placeOf(course.input('each', { member: { index: 0, key } }));
  const { promotionId } = promotion;
  await inTenant((tx) => setStepState(tx, { promotionId, stepId: 'each', state: 'running' }));
  const member = { promotionId, stepId: 'each', round: 1 };
  expect(await inTenant((tx) => startMember(tx, member, key))).toBe(true);
  expect(await inTenant((tx) => countAttempt(tx, place))).toBe(1);
  await endStep(course, 'each');
  expect(await inTenant((tx) => countAttempt(tx, place))).toBeUndefined();
});
