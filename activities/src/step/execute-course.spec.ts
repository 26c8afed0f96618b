import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JsonValue, StepTemplate } from '@sluice/domain';
import { findEffect, findStep, listEvents, withTenant } from '@sluice/persistence';
import type { StepResult } from '@sluice/temporal-contract';
import { createNoopStep } from '../noop/noop.step.ts';
import { type CourseScene, createCourseScene, SCENE_TENANT } from '../testing/index.ts';
import { failedResult, type StepRun, type StepType, succeededResult } from './step-type.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene();
});
afterAll(() => room.close());

/** A script that does what the spec says, and tells what it was given. */
function fakeScript(
  answer: (run: StepRun) => StepResult | Promise<StepResult>,
): StepType & { readonly seen: StepRun[] } {
  const seen: StepRun[] = [];
  return {
    seen,
    type: 'script',
    version: 1,
    run: async (run) => {
      seen.push(run);
      return { result: await answer(run) };
    },
  };
}

const gives = (values: Record<string, JsonValue>) => () =>
  succeededResult({}, { exitCode: 0, artifacts: {}, ...values });

const COUNTING: StepTemplate = {
  id: 'count',
  type: 'script@1',
  inputs: { source: 'true', outputs: { lines: { type: 'integer' }, note: { type: 'string' } } },
};

const stepOf = (promotionId: string, stepId: string) =>
  withTenant(room.scene.worker, SCENE_TENANT, (tx) => findStep(tx, promotionId, stepId));

const effectOf = (key: string) =>
  withTenant(room.scene.worker, SCENE_TENANT, (tx) => findEffect<StepResult>(tx, key));

test('inputs are found in outputs, parameters and facts, and only what is wanted goes back', async () => {
  const course = await room.begin(
    {
      parameters: { region: { schema: { type: 'string' }, default: 'eu' } },
      steps: [
        COUNTING,
        {
          id: 'tell',
          type: 'script@1',
          needs: ['count'],
          inputs: {
            source: { cel: '"echo " + string(steps.count.outputs.lines)' },
            environment: {
              cel: '{"REGION": parameters.region, "WHAT": release.name, "WHERE": environment.name}',
            },
          },
        },
      ],
    },
    { region: 'us' },
  );
  const first = fakeScript(gives({ lines: 3, note: 'x' }));
  const counted = await room
    .activities([first])
    .executeStep(course.input('count', { wants: ['lines'] }));
  expect(counted).toEqual({
    outcome: 'succeeded',
    outputs: {},
    reason: null,
    values: { lines: 3 },
  });
  const { promotionId } = course.promotion;
  expect(first.seen[0]?.idempotencyKey).toBe(`${promotionId}/count`);
  expect(await stepOf(promotionId, 'count')).toMatchObject({
    state: 'succeeded',
    values: { lines: 3, note: 'x', exitCode: 0 },
  });
  const second = fakeScript(gives({}));
  const told = await room.activities([second]).executeStep(course.input('tell'));
  expect(told).toEqual({ outcome: 'succeeded', outputs: {}, reason: null });
  expect(second.seen[0]?.inputs).toMatchObject({
    source: 'echo 3',
    environment: { REGION: 'us', WHAT: 'hello', WHERE: 'dev' },
  });
  // Asked again it answers what is recorded, and runs nothing.
  const again = await room.activities([first]).executeStep(course.input('count', { wants: ['*'] }));
  expect(again.values).toEqual({ lines: 3, note: 'x', exitCode: 0, artifacts: {} });
  expect(first.seen).toHaveLength(1);
});

test('inputs that do not fit the type fail the step at once, whatever its retry', async () => {
  const course = await room.begin({
    steps: [
      COUNTING,
      {
        id: 'tell',
        type: 'script@1',
        needs: ['count'],
        retry: { attempts: 5 },
        inputs: { source: { cel: 'dyn(steps.count.outputs.lines)' } },
      },
      {
        id: 'late',
        type: 'script@1',
        needs: ['count'],
        when: 'always',
        inputs: {
          source: { cel: 'has(steps.count.outputs.note) ? steps.count.outputs.note : ""' },
        },
      },
    ],
  });
  const script = fakeScript(gives({ lines: 3, note: '' }));
  await room.activities([script]).executeStep(course.input('count'));
  const told = await room.activities([script]).executeStep(course.input('tell'));
  expect(told).toMatchObject({
    outcome: 'failed',
    reason: { code: 'input-invalid', message: expect.stringContaining('source') },
  });
  const { reason } = await room.activities([script]).executeStep(course.input('late'));
  expect(reason).toMatchObject({ code: 'input-invalid' });
  expect(script.seen).toHaveLength(1);
  expect(await stepOf(course.promotion.promotionId, 'tell')).toMatchObject({
    state: 'failed',
    reason: { code: 'input-invalid' },
  });
});

test('what a step gives is held to what it promised, and to its size', async () => {
  const course = await room.begin({
    steps: ['count', 'large', 'larger', 'less'].map((id) => ({ ...COUNTING, id })),
  });
  const run = (stepId: string, values: Record<string, JsonValue>) =>
    room.activities([fakeScript(gives(values))]).executeStep(course.input(stepId));
  expect((await run('count', { lines: 'many', note: '' })).reason).toMatchObject({
    code: 'output-invalid',
    message: expect.stringContaining('lines'),
  });
  expect((await run('less', { lines: 1 })).reason).toMatchObject({ code: 'output-invalid' });
  const artifacts = Object.fromEntries(
    Array.from({ length: 1000 }, (_, index) => [`file-${index}`, `sha256:${'a'.repeat(64)}`]),
  );
  expect(await run('large', { lines: 1, note: '', artifacts })).toMatchObject({
    outcome: 'succeeded',
  });
  const { reason } = await run('larger', { lines: 1, note: 'x'.repeat(5000) });
  expect(reason).toMatchObject({
    code: 'output-invalid',
    message: expect.stringContaining('note'),
  });
});

test('a failure is thrown while attempts are left, and recorded with the last one', async () => {
  const course = await room.begin({
    steps: [
      { ...COUNTING, retry: { attempts: 3, backoffSeconds: 1, terminal: ['hopeless'] } },
      {
        ...COUNTING,
        id: 'hopeless',
        retry: { attempts: 3, backoffSeconds: 1, terminal: ['hopeless'] },
      },
    ],
  });
  const { promotionId } = course.promotion;
  const script = fakeScript(() => failedResult('script-exited', 'It exited with 1.'));
  for (const attempt of [1, 7]) {
    const early = room.activities([script], { attempt }).executeStep(course.input('count'));
    await expect(early).rejects.toMatchObject({
      type: 'StepAttemptFailed',
      nonRetryable: false,
      details: [{ code: 'script-exited', message: 'It exited with 1.' }],
    });
  }
  expect(await effectOf(`${promotionId}/count`)).toBeUndefined();
  expect(await stepOf(promotionId, 'count')).toMatchObject({ state: 'running' });
  // What counts is how often it began: attempts of the engine that never came to that take none away.
  const last = await room.activities([script]).executeStep(course.input('count'));
  expect(last).toMatchObject({ outcome: 'failed', reason: { code: 'script-exited' } });
  expect(await stepOf(promotionId, 'count')).toMatchObject({ state: 'failed' });

  const hopeless = fakeScript(() => failedResult('hopeless', 'No use.'));
  const once = await room.activities([hopeless]).executeStep(course.input('hopeless'));
  expect(once).toMatchObject({ outcome: 'failed', reason: { code: 'hopeless' } });
});

test('an attempt that never said how it ended is the last one, where no other is allowed', async () => {
  const course = await room.begin({
    steps: [COUNTING, { ...COUNTING, id: 'twice', retry: { attempts: 2, backoffSeconds: 1 } }],
  });
  const dying = fakeScript(() => Promise.reject(new Error('The worker is gone.')));
  const next = fakeScript(gives({ lines: 1, note: '' }));
  for (const id of ['count', 'twice']) {
    const died = room.activities([dying]).executeStep(course.input(id));
    await expect(died).rejects.toMatchObject({ type: 'Unavailable' });
  }
  const { executeStep } = room.activities([next], { attempt: 2 });
  expect(await executeStep(course.input('count'))).toMatchObject({
    outcome: 'failed',
    reason: { code: 'attempt-lost', message: expect.stringContaining('Attempt 1') },
  });
  expect(await executeStep(course.input('twice'))).toMatchObject({ outcome: 'succeeded' });
  expect(next.seen).toHaveLength(1);
});

test('an attempt counts from when its effect begins, where its type says so', async () => {
  const course = await room.begin({ steps: [COUNTING, { ...COUNTING, id: 'other' }] });
  const away = fakeScript(() => Promise.reject(new Error('The database is away.')));
  const lost = fakeScript(async ({ beginEffect }) => {
    await beginEffect?.();
    throw new Error('The worker is gone.');
  });
  const [early, late] = [away, lost].map((type) => ({ ...type, marksEffect: true as const }));
  const next = { ...fakeScript(gives({ lines: 1, note: '' })), marksEffect: true as const };
  for (const [type, id] of [
    [early, 'count'],
    [early, 'count'],
    [late, 'other'],
  ] as const) {
    const died = room.activities([type as StepType]).executeStep(course.input(id));
    await expect(died).rejects.toMatchObject({ type: 'Unavailable' });
  }
  const { executeStep } = room.activities([next]);
  expect(await executeStep(course.input('count'))).toMatchObject({ outcome: 'succeeded' });
  expect(await executeStep(course.input('other'))).toMatchObject({
    reason: { code: 'attempt-lost' },
  });
});

test('no effect begins of what has ended meanwhile', async () => {
  const course = await room.begin({ steps: [COUNTING] });
  const { promotion } = course;
  const { recordStep } = room.activities([]);
  let isBegun = false;
  const script = fakeScript(async ({ beginEffect }) => {
    await recordStep({ promotion, stepId: 'count', state: 'cancelled', reason: null });
    await beginEffect?.();
    isBegun = true;
    return succeededResult({});
  });
  const run = room
    .activities([{ ...script, marksEffect: true }])
    .executeStep(course.input('count'));
  await expect(run).rejects.toMatchObject({ type: 'IllegalTransition' });
  expect(isBegun).toBe(false);
});

test('what a step writes is kept as its log, and a cancelled one records nothing', async () => {
  const course = await room.begin({ steps: [COUNTING] });
  const { promotionId } = course.promotion;
  const cancel = new AbortController();
  const script = fakeScript(({ output, scope }) => {
    output.write('half of it\n');
    cancel.abort(new Error('CANCELLED'));
    scope.cancellation.throwIfAborted();
    return succeededResult({});
  });
  const run = room
    .activities([script], { cancellation: cancel.signal })
    .executeStep(course.input('count'));
  await expect(run).rejects.toMatchObject({ name: 'CancelledFailure' });
  expect(await effectOf(`${promotionId}/count`)).toBeUndefined();
  const logs = await room.scene.database.query<{ digest: string; bytes: number }>(
    `select log_digest as digest, bytes from sluice.step_logs where promotion_id = $1`,
    [promotionId],
  );
  expect(logs).toEqual([{ digest: expect.stringMatching(/^sha256:/), bytes: 11 }]);
});

test('a step, type, member or target that is not of the promotion is refused for good', async () => {
  const course = await room.begin({ steps: [COUNTING, { id: 'rest', type: 'noop@1' }] });
  const { executeStep } = room.activities([fakeScript(gives({})), createNoopStep()]);
  const refused = { type: 'InvalidInput', nonRetryable: true };
  await expect(executeStep({ ...course.input('count'), stepId: 'nowhere' })).rejects.toMatchObject(
    refused,
  );
  await expect(executeStep({ ...course.input('count'), type: 'noop' })).rejects.toMatchObject(
    refused,
  );
  await expect(
    executeStep(course.input('count', { member: { index: 0, key: '0' } })),
  ).rejects.toMatchObject(refused);
  await expect(executeStep(course.input('rest', { target: 'dev-1' }))).rejects.toMatchObject(
    refused,
  );
  await expect(
    executeStep(course.input('rest', { inputDigests: { rules: `sha256:${'0'.repeat(64)}` } })),
  ).rejects.toMatchObject({ type: 'Integrity' });
});

test('the end of a step is told as an event, once', async () => {
  const course = await room.begin({ steps: [{ id: 'rest', type: 'noop@1' }] });
  const { executeStep } = room.activities([createNoopStep()]);
  await Promise.all([executeStep(course.input('rest')), executeStep(course.input('rest'))]);
  const { promotionId } = course.promotion;
  const { edges } = await withTenant(room.scene.worker, SCENE_TENANT, (tx) =>
    listEvents(tx, { first: 50, promotionId }),
  );
  const states = edges
    .filter(({ node }) => node.type === 'step.state-changed')
    .map(({ node }) => node.data.state);
  expect(states).toEqual(['running', 'succeeded']);
});
