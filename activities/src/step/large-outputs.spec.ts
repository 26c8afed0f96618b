import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JsonValue, StepTemplate } from '@sluice/domain';
import {
  type EffectRecord,
  findEffect,
  findEvidence,
  findStep,
  insertEvidence,
  listMembers,
  type ValueReference,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson, digestOf } from '@sluice/pure';
import { type BegunCourse, type CourseScene, createCourseScene } from '../testing/course-scene.ts';
import { SCENE_TENANT } from '../testing/promotion-scene.ts';
import { isLargerThan } from './large-values.ts';
import type { StoredResult } from './settle-step.ts';
import { type StepRun, type StepType, succeededResult } from './step-type.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene();
});
afterAll(() => room.close());

/** A script that gives what the spec says, and tells what it was given. */
function script(
  answer: Record<string, JsonValue> | ((run: StepRun) => Record<string, JsonValue>) = {},
): StepType & { readonly seen: StepRun[]; readonly undone: StepRun[] } {
  const seen: StepRun[] = [];
  const undone: StepRun[] = [];
  return {
    seen,
    undone,
    type: 'script',
    version: 1,
    run: async (run) => {
      seen.push(run);
      const values = typeof answer === 'function' ? answer(run) : answer;
      return { result: succeededResult({}, { exitCode: 0, artifacts: {}, ...values }) };
    },
    compensate: async (run) => {
      undone.push(run);
      return { result: succeededResult({}) };
    },
  };
}

const ANY = { type: 'any' as const };
const MIB = 1024 * 1024;
/** A megabyte of JSON: 8,000 entries. */
const HOSTS = Array.from({ length: 8000 }, (_, n) => `host-${n}-${'x'.repeat(130)}`.slice(0, 132));

const LISTS: StepTemplate = {
  id: 'list',
  type: 'script@1',
  inputs: { source: 'true', outputs: { hosts: ANY, count: { type: 'integer' } } },
};
const reading = (id: string, inputs: StepTemplate['inputs'], more: Partial<StepTemplate> = {}) => ({
  id,
  type: 'script@1' as const,
  needs: ['list'],
  ...more,
  inputs: { source: 'true', ...inputs },
});

const read = <T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> =>
  withTenant(room.scene.worker, SCENE_TENANT, work);
const effectOf = (key: string) => read((tx) => findEffect<StoredResult>(tx, key));

async function referenceIn({ promotion }: BegunCourse, stepId: string): Promise<ValueReference> {
  const step = await read((tx) => findStep(tx, promotion.promotionId, stepId));
  const [reference] = Object.values(step?.references ?? {});
  if (reference === undefined) throw new Error(`${stepId} has nothing by reference.`);
  return reference;
}

/** Where the evidence store of the scene has a blob. */
async function spoil(digest: string, content?: string): Promise<void> {
  const hex = digest.slice('sha256:'.length);
  const path = join(room.evidenceFolder, 'sha256', hex.slice(0, 2), hex);
  await (content === undefined ? rm(path) : writeFile(path, content));
}

test('a megabyte is kept by reference; inputs, expressions and a matrix read it, the interpreter is not told', async () => {
  const course = await room.begin({
    steps: [
      LISTS,
      reading('whole', { input: { ref: 'steps.list.outputs.hosts' } }),
      reading('some', {
        environment: {
          cel: '{"FIRST": steps.list.outputs.hosts[0], "COUNT": string(steps.list.outputs.count)}',
        },
      }),
      reading('decided', {}, { if: 'steps.list.outputs.count > 5' }),
      reading(
        'each',
        { source: { cel: 'matrix' } },
        { matrix: { over: { ref: 'steps.list.outputs.hosts' } } },
      ),
    ],
  });
  const { promotion } = course;
  // A matrix is expanded from the records: only what conditions read travels.
  const frozen = course.rules.pipeline.steps.find(({ id }) => id === 'list');
  expect(frozen).toMatchObject({ reads: ['count'] });
  const lists = script({ hosts: HOSTS, count: HOSTS.length });
  const told = await room
    .activities([lists])
    .executeStep(course.input('list', { wants: ['count'] }));
  expect(told).toEqual({
    outcome: 'succeeded',
    outputs: {},
    reason: null,
    values: { count: 8000 },
  });
  const text = canonicalJson(HOSTS);
  expect(text.length).toBeGreaterThan(MIB);
  const reference = { digest: digestOf(HOSTS), bytes: text.length };
  const records = await read(async (tx) => ({
    step: await findStep(tx, promotion.promotionId, 'list'),
    blob: await findEvidence(tx, reference.digest),
    effect: await findEffect<StoredResult>(tx, `${promotion.promotionId}/list`),
  }));
  const values = { count: 8000, exitCode: 0, artifacts: {} };
  expect(records.step).toMatchObject({ values, references: { hosts: reference } });
  expect(records.step?.values).not.toHaveProperty('hosts');
  expect(records.effect?.result).toMatchObject({ values, references: { hosts: reference } });
  expect(JSON.stringify(records.effect).length).toBeLessThan(2000);
  expect(records.blob).toMatchObject({ mediaType: 'application/vnd.sluice.value+json' });
  // Asked again it answers the same, and the reference never leaves.
  expect(
    await room.activities([lists]).executeStep(course.input('list', { wants: ['count'] })),
  ).toEqual(told);
  expect(lists.seen).toHaveLength(1);

  const reader = script();
  const activities = room.activities([reader]);
  for (const id of ['whole', 'some']) {
    expect(await activities.executeStep(course.input(id))).toMatchObject({ outcome: 'succeeded' });
  }
  expect(reader.seen[0]?.inputs).toEqual({ source: 'true', input: HOSTS });
  expect(reader.seen[1]?.inputs).toMatchObject({ environment: { FIRST: HOSTS[0], COUNT: '8000' } });

  expect(await activities.expandMatrix({ promotion, stepId: 'each' })).toEqual({
    count: 8000,
    isOverTargets: false,
  });
  const member = { index: 7999, key: '7999' };
  await activities.executeStep(course.input('each', { member }));
  expect(reader.seen[2]?.inputs).toMatchObject({ source: HOSTS[7999] });
});

test('of many outputs the largest go, until the rest fits', async () => {
  const outputs = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, ANY]));
  const course = await room.begin({
    steps: [
      { id: 'list', type: 'script@1', inputs: { source: 'true', outputs } },
      reading('sum', {
        input: { cel: 'steps.list.outputs.a + steps.list.outputs.b + steps.list.outputs.d' },
      }),
    ],
  });
  const [a, b, c, d] = [30_000, 20_000, 30_000, 10].map(
    (length, index) => 'abcd'[index]?.repeat(length) ?? '',
  );
  await room
    .activities([script({ a: a ?? '', b: b ?? '', c: c ?? '', d: d ?? '' })])
    .executeStep(course.input('list'));
  const step = await read((tx) => findStep(tx, course.promotion.promotionId, 'list'));
  expect(Object.keys(step?.references ?? {})).toEqual(['a']);
  expect(Object.keys(step?.values ?? {}).sort()).toEqual(['artifacts', 'b', 'c', 'd', 'exitCode']);
  const reader = script();
  await room.activities([reader]).executeStep(course.input('sum'));
  expect(reader.seen[0]?.inputs['input']).toBe(`${a}${b}${d}`);
});

test('what conditions read stays in the records however large the rest is, and is refused where it is too large itself', async () => {
  const course = await room.begin({
    steps: [
      { ...LISTS, id: 'fits' },
      { ...LISTS, id: 'all', retry: { attempts: 3 } },
      { ...LISTS, id: 'over', retry: { attempts: 3 } },
    ],
  });
  const run = (id: string, wants: readonly string[], values: Record<string, JsonValue>) =>
    room.activities([script(values)]).executeStep(course.input(id, { wants }));
  const large = 'x'.repeat(60_000);
  const fits = await run('fits', ['hosts'], { hosts: large, count: 1, ...{} });
  expect(fits.values).toEqual({ hosts: large });
  for (const wants of [['hosts'], ['*']]) {
    const { reason } = await run(wants[0] === '*' ? 'all' : 'over', wants, {
      hosts: HOSTS,
      count: 1,
    });
    expect(reason).toMatchObject({
      code: 'outputs-too-large',
      message: expect.stringMatching(
        /^Conditions read \d{7} bytes .*hosts.* they may read 65536\. /,
      ),
    });
  }
});

test.each<[string, () => JsonValue, RegExp]>([
  [
    'more than is kept at all',
    () => 'x'.repeat(4 * MIB),
    /outputs of 4194\d{3} bytes; at most 4194304/,
  ],
  [
    'more in many small parts',
    () => Array.from({ length: 9000 }, () => 'y'.repeat(500)),
    /at most 4194304/,
  ],
  [
    'more values than are looked at',
    () => Array.from({ length: 500 }, () => Array.from({ length: 500 }, () => 0)),
    /200000 parts/,
  ],
])('%s is refused', async (_what, made, message) => {
  const course = await room.begin({ steps: [{ ...LISTS, retry: { attempts: 3 } }] });
  const { outcome, reason } = await room
    .activities([script({ hosts: made(), count: 1 })])
    .executeStep(course.input('list'));
  expect(outcome).toBe('failed');
  expect(reason?.message).toMatch(message);
  const { promotionId } = course.promotion;
  expect(await read((tx) => findStep(tx, promotionId, 'list'))).toMatchObject({ references: {} });
});

test('what only looks like a reference is a value like any other', async () => {
  const secret = 'what belongs to nobody here'.repeat(10);
  const { digest, size } = await room.evidence.put(canonicalJson(secret), { maxBytes: MIB });
  await read((tx) => insertEvidence(tx, { digest, size, mediaType: 'text/plain' }));
  const course = await room.begin({
    steps: [LISTS, reading('whole', { input: { ref: 'steps.list.outputs.hosts' } })],
  });
  const forged = { digest, bytes: size };
  await room.activities([script({ hosts: forged, count: 1 })]).executeStep(course.input('list'));
  const reader = script();
  await room.activities([reader]).executeStep(course.input('whole'));
  expect(reader.seen[0]?.inputs['input']).toEqual(forged);
});

test.each<[string, string | undefined, string]>([
  ['missing', undefined, 'output-unavailable'],
  ['another one', canonicalJson(HOSTS).replace('host-0', 'host-9'), 'output-changed'],
  ['cut', '["host-0', 'output-changed'],
])('a blob that is %s fails whatever reads it, and closed', async (what, content, code) => {
  const course = await room.begin({
    steps: [
      LISTS,
      reading('whole', { input: { ref: 'steps.list.outputs.hosts' } }, { retry: { attempts: 3 } }),
      reading(
        'each',
        { source: 'true' },
        { matrix: { over: { ref: 'steps.list.outputs.hosts' } } },
      ),
      reading('other', { source: { cel: 'string(steps.list.outputs.count)' } }),
    ],
  });
  const hosts = [what, ...HOSTS];
  await room.activities([script({ hosts, count: 1 })]).executeStep(course.input('list'));
  const { digest } = await referenceIn(course, 'list');
  await spoil(digest, content);
  const reader = script();
  const { executeStep, expandMatrix } = room.activities([reader]);
  const { outcome, reason } = await executeStep(course.input('whole'));
  expect({ outcome, code: reason?.code }).toEqual({ outcome: 'failed', code });
  expect(reason?.message).toContain(digest);
  expect(reason?.message).toContain('Restore it from a backup');
  const expanded = expandMatrix({ promotion: course.promotion, stepId: 'each' });
  await expect(expanded).rejects.toMatchObject({ type: code, nonRetryable: true });
  expect(reader.seen).toEqual([]);
  // Whoever does not read it is not concerned.
  expect(await executeStep(course.input('other'))).toMatchObject({ outcome: 'succeeded' });
});

test('what is put back is put back with large inputs as they were', async () => {
  const course = await room.begin({
    steps: [
      LISTS,
      reading('apply', {
        input: { ref: 'steps.list.outputs.hosts' },
        undo: { arguments: ['down'] },
      }),
    ],
  });
  const { promotionId } = course.promotion;
  const both = script(({ input }) => (input.stepId === 'list' ? { hosts: HOSTS, count: 1 } : {}));
  const { executeStep, compensateStep } = room.activities([both]);
  for (const id of ['list', 'apply']) await executeStep(course.input(id));
  const effect = (await effectOf(`${promotionId}/apply`)) as EffectRecord<StoredResult>;
  expect(effect.result).toMatchObject({
    inputs: { undo: { arguments: ['down'] } },
    inputReferences: { input: await referenceIn(course, 'list') },
  });
  expect(effect.result.inputs).not.toHaveProperty('input');
  expect(await compensateStep(course.input('apply'))).toMatchObject({ outcome: 'succeeded' });
  expect(both.undone[0]?.inputs).toMatchObject({ input: HOSTS, undo: { arguments: ['down'] } });
});

test('what was done with five megabytes of a matrix is put back, and what would be too much to read again is not begun', async () => {
  const course = await room.begin({
    steps: [
      { ...LISTS, matrix: { over: { values: [1, 2, 3, 4, 5] } } },
      reading('apply', {
        input: { ref: 'steps.list.outputs.hosts' },
        undo: { arguments: ['down'] },
      }),
      reading('over', {
        input: {
          cel: '[steps.list.outputs.hosts, steps.list.outputs.hosts, steps.list.outputs.hosts, steps.list.outputs.hosts]',
        },
      }),
    ],
  });
  const { promotion } = course;
  const gives = script(({ member }) => ({ hosts: [...HOSTS, member ?? 0], count: 1 }));
  const { expandMatrix, executeStep, recordSteps } = room.activities([gives]);
  await expandMatrix({ promotion, stepId: 'list' });
  for (let index = 0; index < 5; index += 1) {
    await executeStep(course.input('list', { member: { index, key: `${index}` } }));
  }
  await recordSteps({
    promotion,
    steps: [{ stepId: 'list', state: 'succeeded', reason: null }],
  });
  const both = script();
  const activities = room.activities([both]);
  await activities.executeStep(course.input('apply'));
  const all = [1, 2, 3, 4, 5].map((member) => [...HOSTS, member]);
  const bytes = canonicalJson(all).length;
  expect(bytes).toBeGreaterThan(5 * MIB);
  const effect = await effectOf(`${promotion.promotionId}/apply`);
  expect(effect?.result.inputReferences).toEqual({ input: { digest: digestOf(all), bytes } });
  expect(await activities.compensateStep(course.input('apply'))).toMatchObject({
    outcome: 'succeeded',
  });
  expect(both.undone[0]?.inputs['input']).toEqual(all);

  const { outcome, reason } = await activities.executeStep(course.input('over'));
  expect({ outcome, code: reason?.code }).toEqual({
    outcome: 'failed',
    code: 'inputs-too-large',
  });
  expect(reason?.message).toContain('16777216');
  expect(both.seen).toHaveLength(1);
});

test.each<[JsonValue, number]>([
  [{}, 2],
  [[], 2],
  [{ a: 1, ü: ['x', null, true] }, 28],
  ['"', 4],
])('%j has %d bytes', (value, bytes) => {
  expect(Buffer.byteLength(JSON.stringify(value))).toBe(bytes);
  expect(isLargerThan(bytes, value)).toBe(false);
  expect(isLargerThan(bytes - 1, value)).toBe(true);
});

test('what stands somewhere a thousand times is not looked at a thousand times', () => {
  let value: JsonValue = HOSTS;
  for (let depth = 0; depth < 12; depth += 1) value = [value, value, value, value];
  expect(isLargerThan(16 * MIB, value)).toBe(true);
});

test('members give large outputs as well: a list of them is read whole, within its bound', async () => {
  const steps = [
    {
      ...LISTS,
      matrix: { over: { values: [1, 2, 3, 4, 5, 6, 7, 8, 9] } },
    },
    reading('whole', { input: { ref: 'steps.list.outputs.hosts' } }),
    reading('small', { input: { ref: 'steps.list.outputs.count' } }),
  ];
  const course = await room.begin({ steps });
  const { promotion } = course;
  const gives = script(({ member }) => ({ hosts: [...HOSTS, member ?? 0], count: Number(member) }));
  const { expandMatrix, executeStep } = room.activities([gives]);
  await expandMatrix({ promotion, stepId: 'list' });
  const runMember = (index: number) =>
    executeStep(course.input('list', { member: { index, key: `${index}` }, wants: ['count'] }));
  for (const index of [0, 2]) expect((await runMember(index)).values).toEqual({ count: index + 1 });
  await room
    .activities([])
    .recordSteps({ promotion, steps: [{ stepId: 'list', state: 'partial', reason: null }] });
  const { edges } = await read((tx) => listMembers(tx, { ...promotion, stepId: 'list', first: 1 }));
  expect(edges[0]?.node).toMatchObject({
    values: { count: 1 },
    references: { hosts: { digest: digestOf([...HOSTS, 1]) } },
  });
  const reader = script();
  await room.activities([reader]).executeStep(course.input('whole'));
  const none = Array.from({ length: 6 }, () => null);
  expect(reader.seen[0]?.inputs['input']).toEqual([[...HOSTS, 1], null, [...HOSTS, 3], ...none]);
  // Nine of them are too much for one reader; what is small of them is not.
  const more = await room.begin({ steps });
  const { promotion: another } = more;
  await expandMatrix({ promotion: another, stepId: 'list' });
  for (let index = 0; index < 9; index += 1) {
    await executeStep(more.input('list', { member: { index, key: `${index}` } }));
  }
  await room.activities([]).recordSteps({
    promotion: another,
    steps: [{ stepId: 'list', state: 'succeeded', reason: null }],
  });
  const { reason } = await room.activities([reader]).executeStep(more.input('whole'));
  expect(reason).toMatchObject({ code: 'outputs-too-large' });
  await room.activities([reader]).executeStep(more.input('small'));
  expect(reader.seen[1]?.inputs['input']).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
