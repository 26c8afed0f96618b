import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import type { Pool, Queryable } from '@sluice/persistence';
import type { ExecuteStepInput } from '@sluice/temporal-contract';
import { createNoopStep } from '../noop/noop.step.ts';
import { type CourseScene, createCourseScene, createFakeScope } from '../testing/index.ts';
import { createStepActivities } from './execute-step.ts';
import { createStepRegistry } from './step-registry.ts';
import { type StepType, succeededResult } from './step-type.ts';

/** Told of every statement that is sent, `begin` and `commit` among them. */
const sent: string[] = [];
let room: CourseScene;
let execute: (input: ExecuteStepInput) => Promise<unknown>;

/** Gives what its step promises, and writes a row of its own. */
const SCRIPT: StepType = {
  type: 'script',
  version: 1,
  run: async () => ({
    result: succeededResult({}, { exitCode: 0, artifacts: {} }),
    record: async (tx) => void (await tx.query('select 1')),
  }),
};

beforeAll(async () => {
  room = await createCourseScene();
  const activities = createStepActivities(
    {
      pool: counting(room.scene.worker),
      evidence: room.evidence,
      logger: createLogger({ service: 'test', level: 'silent' }),
      scope: () => createFakeScope(),
    },
    createStepRegistry([createNoopStep(), SCRIPT]),
  );
  execute = activities.executeStep;
});
afterAll(() => room.close());

function counting(pool: Pool): Pool {
  const watch =
    (on: Queryable): Queryable['query'] =>
    (sql, ...more) => {
      sent.push(sql.trim().split(/[\s;]/)[0] ?? '');
      return on.query(sql, ...more);
    };
  return {
    query: watch(pool),
    connect: async () => {
      const connection = await pool.connect();
      return { query: watch(connection), release: (broken) => connection.release(broken) };
    },
    close: () => pool.close(),
  };
}

/** What an execution sends once the worker knows its pipeline. */
async function statementsOf(input: ExecuteStepInput): Promise<readonly string[]> {
  sent.length = 0;
  await execute(input);
  return [...sent];
}

const OF_TRANSACTION = ['begin', 'commit'];
const EACH = ['begin', 'select', 'with', 'commit', 'begin', 'with', 'commit'];

test('a step takes two transactions of three statements at most, however many steps there are', async () => {
  const steps = Array.from({ length: 40 }, (_, index) => ({
    id: `step-${index}`,
    type: 'noop@1' as const,
    needs: index === 0 ? [] : [`step-${index - 1}`],
  }));
  const course = await room.begin({ steps });
  // The rules and the resolved pipeline are read once.
  expect(await statementsOf(course.input('step-0'))).toHaveLength(EACH.length + 2);
  for (const { id } of steps.slice(1)) expect(await statementsOf(course.input(id))).toEqual(EACH);
  // What is recorded is told, and nothing is written.
  expect(await statementsOf(course.input('step-7'))).toEqual(['begin', 'select', 'commit']);
});

test('a member of a matrix takes as many, and the first of them one more', async () => {
  const course = await room.begin({
    steps: [
      { id: 'before', type: 'noop@1' },
      {
        id: 'each',
        type: 'noop@1',
        needs: ['before'],
        matrix: { over: { values: ['a', 'b', 'c', 'd'] } },
      },
    ],
  });
  await execute(course.input('before'));
  await room.activities([]).expandMatrix({ promotion: course.promotion, stepId: 'each' });
  const inputOf = (index: number) => course.input('each', { member: { index, key: `${index}` } });
  const first = await statementsOf(inputOf(0));
  expect(first).toHaveLength(EACH.length + 1);
  for (const index of [1, 2, 3]) {
    const told = await statementsOf(inputOf(index));
    expect(told).toHaveLength(EACH.length);
    expect(told.filter((word) => OF_TRANSACTION.includes(word))).toHaveLength(4);
  }
});

test('a step that reads what others gave asks once more; one that writes rows of its own stays within a bound', async () => {
  const course = await room.begin({
    steps: [
      { id: 'one', type: 'script@1', inputs: { source: 'true' } },
      {
        id: 'two',
        type: 'script@1',
        needs: ['one'],
        inputs: { source: { cel: '"exit " + string(steps.one.outputs.exitCode)' } },
      },
    ],
  });
  await execute(course.input('one'));
  // Hold, effect, its own row, state twice, event.
  expect(await statementsOf(course.input('two'))).toHaveLength(EACH.length + 1 + 5);
});
