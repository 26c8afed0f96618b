import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JsonValue } from '@sluice/domain';
import { countMembers, findStep, listMembers, withTenant } from '@sluice/persistence';
import { createNoopStep } from '../noop/noop.step.ts';
import { failedResult, type StepRun, type StepType, succeededResult } from '../step/step-type.ts';
import { type CourseScene, createCourseScene, SCENE_TENANT } from '../testing/index.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene({
    targets: ['dev-1', 'dev-2', 'dev-3'],
    labels: { 'dev-1': { region: 'eu' }, 'dev-2': { region: 'us' }, 'dev-3': { region: 'eu' } },
  });
});
afterAll(() => room.close());

const seen: StepRun[] = [];
/** Fails for the member `bad`, else gives what it ran for. */
const SCRIPT: StepType = {
  type: 'script',
  version: 1,
  run: async (run) => {
    seen.push(run);
    if (run.member === 'bad') return { result: failedResult('script-exited', 'It was bad.') };
    return { result: succeededResult({}, { exitCode: 0, artifacts: {}, of: run.member ?? null }) };
  },
};
const OUTPUTS = { of: { type: 'any' as const } };
const read = <T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> =>
  withTenant(room.scene.worker, SCENE_TENANT, work);

test('targets are taken by the labels that they had when the rules were frozen', async () => {
  const course = await room.begin({
    steps: [
      {
        id: 'each',
        type: 'script@1',
        matrix: { over: { targets: { region: 'eu' } } },
        inputs: { source: { cel: '"echo " + matrix.name' }, outputs: OUTPUTS },
      },
    ],
  });
  await room.scene.database.query(
    `update sluice.targets set labels = '{"region": "us"}' where target_id = 'dev-3'`,
  );
  const activities = room.activities([SCRIPT]);
  const { promotion } = course;
  const expanded = await activities.expandMatrix({ promotion, stepId: 'each' });
  expect(expanded).toEqual({ count: 2, isOverTargets: true, keys: ['dev-1', 'dev-3'] });
  expect(await activities.expandMatrix({ promotion, stepId: 'each' })).toEqual(expanded);
  seen.length = 0;
  const member = { index: 1, key: 'dev-3' };
  const input = course.input('each', { member, target: 'dev-3' });
  expect(await activities.executeStep(input)).toEqual({
    outcome: 'succeeded',
    outputs: {},
    reason: null,
  });
  expect(seen[0]).toMatchObject({
    inputs: { source: 'echo dev-3' },
    member: { name: 'dev-3', labels: { region: 'eu' } },
    idempotencyKey: `${promotion.promotionId}/each/dev-3`,
  });
  for (const wrong of [
    { member: { index: 0, key: 'dev-3' }, target: 'dev-3' },
    { member },
    { member: { index: 1, key: 'dev-2' }, target: 'dev-2' },
    {},
  ]) {
    await expect(activities.executeStep(course.input('each', wrong))).rejects.toMatchObject({
      type: 'InvalidInput',
    });
  }
});

test("members give a list to the steps after them, and their step's end is the interpreter's", async () => {
  const course = await room.begin({
    parameters: {
      sides: { schema: { type: 'array', items: { type: 'string' } }, default: ['a', 'bad', 'c'] },
    },
    steps: [
      {
        id: 'each',
        type: 'script@1',
        matrix: { over: { ref: 'parameters.sides' }, policy: 'partial' },
        continueOnFailure: true,
        inputs: { source: 'true', outputs: OUTPUTS },
      },
      {
        id: 'join',
        type: 'script@1',
        needs: ['each'],
        inputs: {
          source: 'true',
          arguments: {
            cel: 'has(steps.each.outputs.of) ? steps.each.outputs.of.map(one, one == null ? "none" : string(one)) : []',
          },
          outputs: { of: { type: 'any' } },
        },
      },
    ],
  });
  const { promotion } = course;
  const { promotionId } = promotion;
  const activities = room.activities([SCRIPT]);
  const { keys = [] } = await activities.expandMatrix({ promotion, stepId: 'each' });
  expect(keys).toEqual(['0', '1', '2']);
  const results = await Promise.all(
    keys.map((key, index) =>
      activities.executeStep(course.input('each', { member: { index, key }, wants: ['of'] })),
    ),
  );
  expect(results.map(({ outcome, values }) => [outcome, values?.of])).toEqual([
    ['succeeded', 'a'],
    ['failed', undefined],
    ['succeeded', 'c'],
  ]);
  const set = { promotionId, stepId: 'each', round: 1 };
  expect(await read((tx) => findStep(tx, promotionId, 'each'))).toMatchObject({ state: 'running' });
  expect(await read((tx) => countMembers(tx, set))).toEqual({ succeeded: 2, failed: 1 });
  const failed = await read((tx) => listMembers(tx, { ...set, states: ['failed'], first: 10 }));
  expect(failed.edges.map(({ node }) => node)).toMatchObject([
    { key: '1', value: 'bad', reason: { code: 'script-exited' } },
  ]);
  const reason = { code: 'matrix-partial', message: 'One of three failed.' };
  await activities.recordSteps({
    promotion,
    steps: [{ stepId: 'each', state: 'partial', reason }],
  });
  seen.length = 0;
  await activities.executeStep(course.input('join'));
  expect(seen[0]?.inputs.arguments).toEqual(['a', 'none', 'c']);
});

test('members that could not say so themselves are recorded, and stay so', async () => {
  const course = await room.begin({
    steps: [
      {
        id: 'each',
        type: 'noop@1',
        matrix: { over: { values: Array.from({ length: 250 }, (_, index) => index) } },
      },
    ],
  });
  const { promotion } = course;
  const activities = room.activities([createNoopStep()]);
  const expanded = await activities.expandMatrix({ promotion, stepId: 'each' });
  expect(expanded).toEqual({ count: 250, isOverTargets: false });
  const keys = await activities.readMembers({ promotion, stepId: 'each', from: 200, to: 250 });
  expect(keys).toEqual(Array.from({ length: 50 }, (_, index) => String(200 + index)));
  await expect(
    activities.readMembers({ promotion, stepId: 'each', from: 0, to: 250 }),
  ).rejects.toMatchObject({ type: 'InvalidInput' });
  const reason = { code: 'matrix-failed-fast', message: 'Another one failed.' };
  await activities.recordMembers({
    promotion,
    stepId: 'each',
    members: [3, 249].map((index) => ({ index, outcome: 'skipped' as const, reason })),
  });
  const { promotionId } = promotion;
  const set = { promotionId, stepId: 'each', round: 1 };
  expect(await read((tx) => countMembers(tx, set))).toEqual({ skipped: 2, pending: 248 });
  // What was said of a member is not taken back by its own late activity.
  const late = course.input('each', { member: { index: 3, key: '3' } });
  await expect(activities.executeStep(late)).rejects.toMatchObject({ type: 'IllegalTransition' });
  expect(await read((tx) => countMembers(tx, set))).toEqual({ skipped: 2, pending: 248 });
});

test('what is no list, and what is too much, is refused for good; what is empty has no members', async () => {
  const lists = (values: JsonValue) => ({
    parameters: { all: { schema: { type: 'any' as const }, default: values } },
    steps: [{ id: 'each', type: 'noop@1' as const, matrix: { over: { ref: 'parameters.all' } } }],
  });
  const expand = async (values: JsonValue) => {
    const { promotion } = await room.begin(lists(values));
    return room.activities([]).expandMatrix({ promotion, stepId: 'each' });
  };
  await expect(expand('a')).rejects.toMatchObject({ type: 'InvalidInput', nonRetryable: true });
  await expect(expand(Array.from({ length: 10_001 }, () => 1))).rejects.toMatchObject({
    message: expect.stringContaining('10000'),
  });
  expect(await expand([])).toEqual({ count: 0, isOverTargets: false, keys: [] });
});

test('several steps are recorded at once: one that was faster stays, another reason is taken', async () => {
  const course = await room.begin({
    steps: [
      { id: 'done', type: 'noop@1' },
      { id: 'left', type: 'noop@1', needs: ['done'] },
    ],
  });
  const { promotion } = course;
  const { promotionId } = promotion;
  const activities = room.activities([createNoopStep()]);
  await activities.executeStep(course.input('done'));
  const skipped = { code: 'need-bad', message: 'Something before it failed.' };
  await activities.recordSteps({
    promotion,
    steps: [
      { stepId: 'done', state: 'cancelled', reason: skipped },
      { stepId: 'left', state: 'skipped', reason: skipped },
    ],
  });
  const stateOf = (id: string) => read((tx) => findStep(tx, promotionId, id));
  expect(await stateOf('done')).toMatchObject({ state: 'succeeded', reason: null });
  expect(await stateOf('left')).toMatchObject({ state: 'skipped', reason: skipped });
  const failed = { code: 'compensation-failed', message: 'Do it by hand.' };
  await activities.recordSteps({
    promotion,
    steps: [{ stepId: 'done', state: 'succeeded', reason: failed }],
  });
  expect(await stateOf('done')).toMatchObject({ state: 'succeeded', reason: failed });
});
