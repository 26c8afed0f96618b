import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { findEffect, listEvents, withTenant } from '@sluice/persistence';
import { createNoopStep } from '../noop/noop.step.ts';
import { type CourseScene, createCourseScene, SCENE_TENANT } from '../testing/index.ts';
import { failedResult, type StepRun, type StepType, succeededResult } from './step-type.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene();
});
afterAll(() => room.close());

let undone: StepRun[] = [];
let isUndoable = true;
beforeEach(() => {
  undone = [];
  isUndoable = true;
});

const SCRIPT: StepType = {
  type: 'script',
  version: 1,
  run: async () => ({ result: succeededResult({}, { exitCode: 0, artifacts: {} }) }),
  compensate: async (run) => {
    undone.push(run);
    run.output.write('undone\n');
    return {
      result: isUndoable ? succeededResult({}) : failedResult('script-exited', 'It exited with 1.'),
    };
  },
};

const MIGRATE = {
  parameters: { to: { schema: { type: 'string' as const }, default: 'v2' } },
  steps: [
    {
      id: 'migrate',
      type: 'script@1' as const,
      retry: { attempts: 2, backoffSeconds: 1 },
      inputs: {
        source: 'true',
        environment: { cel: '{"TO": parameters.to}' },
        undo: { arguments: ['down'] },
      },
    },
  ],
};

test('an execution is put back with its own inputs, once', async () => {
  const course = await room.begin(MIGRATE);
  const { promotionId } = course.promotion;
  const { executeStep, compensateStep } = room.activities([SCRIPT]);
  await executeStep(course.input('migrate'));
  expect(await compensateStep(course.input('migrate'))).toMatchObject({ outcome: 'succeeded' });
  expect(await compensateStep(course.input('migrate'))).toMatchObject({ outcome: 'succeeded' });
  expect(undone).toHaveLength(1);
  const key = `${promotionId}/migrate/compensation`;
  expect(undone[0]).toMatchObject({
    inputs: { environment: { TO: 'v2' }, undo: { arguments: ['down'] } },
    idempotencyKey: key,
  });
  const records = await withTenant(room.scene.worker, SCENE_TENANT, async (tx) => ({
    effect: await findEffect(tx, key),
    events: await listEvents(tx, { first: 50, promotionId }),
  }));
  expect(records.effect?.result).toMatchObject({ outcome: 'succeeded' });
  const told = records.events.edges.filter(({ node }) => node.type === 'step.compensated');
  expect(told.map(({ node }) => node.data)).toEqual([{ step: 'migrate', outcome: 'succeeded' }]);
  const logs = await room.scene.database.query(
    `select stream, attempt from sluice.step_logs where promotion_id = $1`,
    [promotionId],
  );
  expect(logs).toEqual([{ stream: 'compensation', attempt: 1 }]);
});

test('what never had an effect, and what has nothing to put back, is done', async () => {
  const course = await room.begin({
    steps: [
      ...MIGRATE.steps.map((step) => ({ ...step, inputs: { source: 'true', undo: {} } })),
      { id: 'plain', type: 'script@1', inputs: { source: 'true' } },
      { id: 'kept', type: 'script@1', compensate: false, inputs: { source: 'true', undo: {} } },
      { id: 'rest', type: 'noop@1' },
    ],
  });
  const { executeStep, compensateStep } = room.activities([SCRIPT, createNoopStep()]);
  for (const newest of [{}, { newestRound: true }] as const) {
    const untouched = await compensateStep(course.input('migrate', newest));
    expect(untouched).toMatchObject({ outcome: 'succeeded', untouched: true });
  }
  for (const id of ['plain', 'kept', 'rest']) {
    await executeStep(course.input(id));
    expect(await compensateStep(course.input(id))).toMatchObject({ outcome: 'succeeded' });
  }
  expect(undone).toEqual([]);
});

test('one that fails is tried again, and its last failure stands', async () => {
  const course = await room.begin(MIGRATE);
  isUndoable = false;
  await room.activities([SCRIPT]).executeStep(course.input('migrate'));
  // Attempts that never said how they ended, such as of a worker that died, take none away.
  const first = room.activities([SCRIPT], { attempt: 7 }).compensateStep(course.input('migrate'));
  await expect(first).rejects.toMatchObject({ type: 'StepAttemptFailed' });
  const last = room.activities([SCRIPT], { attempt: 8 });
  expect(await last.compensateStep(course.input('migrate'))).toMatchObject({
    outcome: 'failed',
    reason: { code: 'script-exited' },
  });
  isUndoable = true;
  expect(await last.compensateStep(course.input('migrate'))).toMatchObject({ outcome: 'failed' });
});

test('a member is put back on its own', async () => {
  const course = await room.begin({
    steps: MIGRATE.steps.map((step) => ({
      ...step,
      inputs: { source: 'true', undo: {} },
      matrix: { over: { values: ['a', 'b'] } },
    })),
  });
  const { promotion } = course;
  const activities = room.activities([SCRIPT]);
  await activities.expandMatrix({ promotion, stepId: 'migrate' });
  for (const [index, key] of ['0', '1'].entries()) {
    await activities.executeStep(course.input('migrate', { member: { index, key } }));
  }
  await activities.compensateStep(course.input('migrate', { member: { index: 1, key: '1' } }));
  expect(undone.map(({ member }) => member)).toEqual(['b']);
  const states = await room.scene.database.query(
    `select state from sluice.step_members where promotion_id = $1 order by member_index`,
    [promotion.promotionId],
  );
  expect(states).toEqual([{ state: 'succeeded' }, { state: 'reverted' }]);
});

const DYING: StepType = { ...SCRIPT, run: () => Promise.reject(new Error('The worker is gone.')) };
const FAILING: StepType = {
  ...SCRIPT,
  run: async () => ({ result: failedResult('script-exited', 'It exited with 1.') }),
};

test.each([
  ['never said how it ended', DYING, 'Unavailable'],
  ['failed, and was to be tried again', FAILING, 'StepAttemptFailed'],
])(
  'an execution that began and %s is put back, though it has no effect',
  async (_what, type, failure) => {
    const course = await room.begin(MIGRATE);
    const began = room.activities([type]).executeStep(course.input('migrate'));
    await expect(began).rejects.toMatchObject({ type: failure });
    const { compensateStep, recordSteps } = room.activities([SCRIPT]);
    const { promotion } = course;
    const reason = { code: 'cancelled', message: 'Somebody cancelled it.' };
    await recordSteps({ promotion, steps: [{ stepId: 'migrate', state: 'cancelled', reason }] });
    const answer = await compensateStep(course.input('migrate', { newestRound: true }));
    expect(answer).toEqual({ outcome: 'succeeded', outputs: {}, reason: null });
    expect(undone[0]).toMatchObject({
      inputs: { environment: { TO: 'v2' }, undo: { arguments: ['down'] } },
      idempotencyKey: `${promotion.promotionId}/migrate/compensation`,
    });
    await compensateStep(course.input('migrate'));
    expect(undone).toHaveLength(1);
  },
);

test('so is a member, in the newest round in which it began', async () => {
  const course = await room.begin({
    steps: MIGRATE.steps.map((step) => ({
      ...step,
      inputs: { source: 'true', undo: {} },
      matrix: { over: { values: ['a', 'b'] } },
    })),
  });
  const { promotion } = course;
  const { executeStep, expandMatrix, compensateStep } = room.activities([DYING]);
  const newest = { promotion, stepId: 'migrate', newestRound: true } as const;
  expect(await expandMatrix(newest)).toEqual({ count: 0, isOverTargets: false, keys: [] });
  for (const round of [1, 2, 3]) await expandMatrix({ promotion, stepId: 'migrate', round });
  const a = { index: 0, key: '0' };
  const b = { index: 1, key: '1' };
  for (const [member, round] of [
    [a, 1],
    [a, 2],
    [b, 1],
  ] as const) {
    const began = executeStep(course.input('migrate', { member, round }));
    await expect(began).rejects.toMatchObject({ type: 'Unavailable' });
  }
  expect(await expandMatrix(newest)).toMatchObject({ count: 2, round: 2 });
  const second = course.input('migrate', { member: b, round: 2 });
  expect(await compensateStep(second)).toMatchObject({ untouched: true });
  for (const member of [a, b]) {
    await compensateStep(course.input('migrate', { member, newestRound: true }));
  }
  expect(undone.map(({ member, input }) => [member, input.round])).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});

test('one that was refused before it ran, or ended before its effect began, is none', async () => {
  const course = await room.begin({
    ...MIGRATE,
    steps: [
      ...MIGRATE.steps,
      { ...MIGRATE.steps[0], id: 'refused', inputs: { source: { cel: 'dyn(1)' }, undo: {} } },
    ] as never,
  });
  const marking: StepType = { ...DYING, marksEffect: true };
  const { executeStep, compensateStep } = room.activities([marking]);
  for (const _attempt of [1, 2, 3]) {
    const away = executeStep(course.input('migrate'));
    await expect(away).rejects.toMatchObject({ type: 'Unavailable' });
  }
  const refused = await executeStep(course.input('refused'));
  expect(refused).toMatchObject({ reason: { code: 'input-invalid' } });
  for (const id of ['migrate', 'refused']) {
    expect(await compensateStep(course.input(id))).toMatchObject({ untouched: true });
  }
  expect(undone).toEqual([]);
});
