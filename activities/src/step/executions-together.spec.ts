import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { countMembers, listMembers, type Pool, withTenant } from '@sluice/persistence';
import type { StepActivities, StepResult } from '@sluice/temporal-contract';
import {
  type BegunCourse,
  type CourseScene,
  createCourseScene,
  createFakeScope,
  SCENE_TENANT,
} from '../testing/index.ts';
import { createStepActivities } from './execute-step.ts';
import { createStepRegistry } from './step-registry.ts';
import { failedResult, type StepRun, type StepType, succeededResult } from './step-type.ts';

const MEMBERS = 60;
const VALUES = Array.from({ length: MEMBERS }, (_, index) => index);

let room: CourseScene;
/** Transactions that were begun. */
let transactions = 0;
/** Told of each statement before it is sent. */
let beforeStatement: (sql: string) => Promise<void> | void;
const ran: number[] = [];
let act: (run: StepRun) => Promise<StepResult> | StepResult;

const SCRIPT: StepType = {
  type: 'script',
  version: 1,
  run: async (run) => {
    ran.push(run.member as number);
    return { result: await act(run) };
  },
};
const gives = ({ member }: StepRun): StepResult =>
  succeededResult({}, { exitCode: 0, artifacts: {}, of: member ?? null });

beforeAll(async () => {
  room = await createCourseScene();
});
afterAll(() => room.close());

/** Two workers: what they do together, each does for itself. */
function worker(): StepActivities {
  const pool: Pool = {
    ...room.scene.worker,
    connect: async () => {
      const connection = await room.scene.worker.connect();
      transactions += 1;
      return {
        release: (broken) => connection.release(broken),
        query: async (sql, ...more) => {
          await beforeStatement(sql);
          return connection.query(sql, ...more);
        },
      };
    },
  };
  return createStepActivities(
    {
      pool,
      evidence: room.evidence,
      logger: createLogger({ service: 'test', level: 'silent' }),
      scope: () => createFakeScope(),
    },
    createStepRegistry([SCRIPT]),
  );
}

async function expanded(retry = {}): Promise<BegunCourse> {
  const course = await room.begin({
    steps: [
      {
        id: 'each',
        type: 'script@1',
        matrix: { over: { values: VALUES } },
        inputs: { source: 'true', outputs: { of: { type: 'any' } } },
        ...retry,
      },
    ],
  });
  await room.activities([]).expandMatrix({ promotion: course.promotion, stepId: 'each' });
  ran.length = 0;
  transactions = 0;
  beforeStatement = () => undefined;
  act = gives;
  return course;
}

const inputOf = (course: BegunCourse, index: number) =>
  course.input('each', { member: { index, key: `${index}` } });

const count = ({ promotion: { promotionId } }: BegunCourse) =>
  withTenant(room.scene.worker, SCENE_TENANT, async (tx) => ({
    states: await countMembers(tx, { promotionId, stepId: 'each', round: 1 }),
    effects: (
      await tx.query<{ n: number }>(
        'select count(*)::int as n from sluice.effects where promotion_id = $1',
        [promotionId],
      )
    ).rows[0]?.n,
    attempts: (
      await tx.query<{ n: number }>(
        'select max(attempts) as n from sluice.step_members where promotion_id = $1',
        [promotionId],
      )
    ).rows[0]?.n,
  }));

test('members that run at a time share transactions, and each is recorded with what it gave', async () => {
  const course = await expanded();
  const { executeStep } = worker();
  await executeStep(inputOf(course, 0));
  transactions = 0;
  const told = await Promise.all(
    VALUES.map((index) => executeStep({ ...inputOf(course, index), wants: ['of'] })),
  );
  expect(told.map(({ values }) => values?.['of'])).toEqual(VALUES);
  expect(ran.toSorted((a, b) => a - b)).toEqual(VALUES);
  expect(transactions).toBeLessThan(MEMBERS / 2);
  expect(await count(course)).toEqual({
    states: { succeeded: MEMBERS },
    effects: MEMBERS,
    attempts: 1,
  });
  const { promotionId } = course.promotion;
  const { edges } = await withTenant(room.scene.worker, SCENE_TENANT, (tx) =>
    listMembers(tx, { promotionId, stepId: 'each', round: 1, first: 100, after: null }),
  );
  expect(edges.map(({ node: { values } }) => values['of'])).toEqual(VALUES);
});

test('two workers that were given the same members record each of them once', async () => {
  const course = await expanded({ retry: { attempts: 3 } });
  const [one, other] = [worker(), worker()];
  const told = await Promise.all(
    VALUES.flatMap((index) => [
      one.executeStep(inputOf(course, index)),
      other.executeStep(inputOf(course, index)),
    ]),
  );
  expect(new Set(told.map(({ outcome }) => outcome))).toEqual(new Set(['succeeded']));
  expect(await count(course)).toMatchObject({ states: { succeeded: MEMBERS }, effects: MEMBERS });
});

test('one that fails, one that was ended before, and one that is none take nothing from the others', async () => {
  const course = await expanded();
  const { executeStep } = worker();
  await executeStep(inputOf(course, 0));
  const { promotion } = course;
  const ended = { outcome: 'cancelled', reason: { code: 'x', message: 'x' } } as const;
  act = async (run) => {
    if (run.member === 7) return failedResult('script-exited', 'It was bad.');
    if (run.member !== 8) return gives(run);
    // The interpreter ends it while it runs.
    await room
      .activities([])
      .recordMembers({ promotion, stepId: 'each', members: [{ index: 8, ...ended }] });
    return gives(run);
  };
  await room
    .activities([])
    .recordMembers({ promotion, stepId: 'each', members: [{ index: 9, ...ended }] });
  const none = { ...inputOf(course, 10), member: { index: 11, key: '10' } };
  const told = await Promise.allSettled(
    [...VALUES.filter((index) => index !== 10).map((index) => inputOf(course, index)), none].map(
      (input) => executeStep(input),
    ),
  );
  const refused = told.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  expect(refused.map(({ type }) => type)).toEqual([
    'IllegalTransition',
    'IllegalTransition',
    'InvalidInput',
  ]);
  expect(await count(course)).toMatchObject({
    states: { succeeded: MEMBERS - 4, failed: 1, cancelled: 2, pending: 1 },
    effects: MEMBERS - 3,
  });
  expect(ran).not.toContain(9);
});

test('nothing of a step that the interpreter has ended is recorded any more', async () => {
  const course = await expanded();
  const { executeStep } = worker();
  await executeStep(inputOf(course, 0));
  const { promotion } = course;
  let running = 0;
  let go: () => void = () => undefined;
  const allRun = new Promise<void>((resolve) => {
    go = resolve;
  });
  act = async (run) => {
    running += 1;
    if (running === 20) {
      const reason = { code: 'step-interrupted', message: 'x' };
      const steps = [{ stepId: 'each', state: 'cancelled' as const, reason }];
      await room.activities([]).recordSteps({ promotion, steps });
      go();
    }
    await allRun;
    return gives(run);
  };
  const some = VALUES.slice(1, 21);
  const told = await Promise.allSettled(some.map((index) => executeStep(inputOf(course, index))));
  expect(new Set(told.map(({ status }) => status))).toEqual(new Set(['rejected']));
  expect(await count(course)).toMatchObject({ effects: 1 });
});

test.each([
  ['timed out', '57014', 1],
  ['waited too long for a lock', '55P03', 1],
  // As often as a race is run again.
  ['lost every race', '40P01', 4],
])(
  'where a transaction of many %s, each of them is recorded on its own',
  async (_what, code, times) => {
    const course = await expanded();
    const { executeStep } = worker();
    await executeStep(inputOf(course, 0));
    const some = VALUES.slice(1, 11);
    let running = 0;
    let end: () => void = () => undefined;
    const allRun = new Promise<void>((resolve) => {
      end = resolve;
    });
    act = async (run) => {
      running += 1;
      if (running === some.length) end();
      await allRun;
      return gives(run);
    };
    // The first goes alone, and those behind it together.
    let commits = 0;
    beforeStatement = async (sql) => {
      if (running < some.length || sql !== 'commit') return;
      commits += 1;
      if (commits > 1 && commits <= 1 + times) throw Object.assign(new Error('canceled'), { code });
    };
    const told = await Promise.all(some.map((index) => executeStep(inputOf(course, index))));
    expect(told.map(({ outcome }) => outcome)).toEqual(some.map(() => 'succeeded'));
    expect(commits).toBe(some.length + times);
    expect(ran).toHaveLength(some.length + 1);
    expect(await count(course)).toMatchObject({ effects: some.length + 1, attempts: 1 });
  },
);

test('a lost database fails all that were under way together, and their attempts are counted once', async () => {
  const course = await expanded();
  const { executeStep } = worker();
  await executeStep(inputOf(course, 0));
  let isAway = false;
  beforeStatement = (sql) => {
    if (!isAway || sql !== 'commit') return;
    throw Object.assign(new Error('Connection terminated unexpectedly'), { code: '57P01' });
  };
  isAway = true;
  const some = VALUES.slice(1, 11);
  const lost = await Promise.allSettled(some.map((index) => executeStep(inputOf(course, index))));
  expect(lost.map((one) => (one.status === 'rejected' ? one.reason.type : ''))).toEqual(
    some.map(() => 'Unavailable'),
  );
  expect(ran).toEqual([0]);
  isAway = false;
  await Promise.all(some.map((index) => executeStep(inputOf(course, index))));
  expect(await count(course)).toMatchObject({ effects: 11, attempts: 1 });
});
