import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Queryable } from '../pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { beginMembers, beginSteps } from './execution-begin.repository.ts';
import { endMembers, endSteps, type StepExecutionEnd } from './execution-end.repository.ts';
import { findExecutions } from './execution-find.repository.ts';
import { listSteps, setStepState } from './promotion-step.repository.ts';
import { insertMembers } from './step-member.repository.ts';

let database: TestDatabase;
let promotionId: string;
let set: { promotionId: string; stepId: string; round: number };
beforeAll(async () => {
  database = await createTestDatabase();
  ({
    promotion: { promotionId },
  } = await createScene(database));
  set = { promotionId, stepId: 'deploy', round: 1 };
  const members = ['a', 'b', 'c'].map((key) => ({ key, target: null, value: key }));
  await inTenant((tx) => insertMembers(tx, set, members));
});
afterAll(() => database.drop());

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
  withTenant(database.poolOf('sluice_worker', { max: 2 }), 'acme', work);

const event = (state: string) => ({
  type: 'step.state-changed' as const,
  actor: 'a',
  subject: `promotion:${promotionId}`,
  promotionId,
  data: { state },
  traceId: null,
});

function endOf(stepId: string): StepExecutionEnd {
  return {
    ...{ stepId, effectKey: `${promotionId}/${stepId}`, target: null, result: { of: stepId } },
    ...{ state: 'succeeded', reason: null, outputs: {}, values: { of: stepId }, references: {} },
    ...{ evenWhenEnded: false, event: event('succeeded') },
  };
}

const memberEnd = (key: string) => ({
  ...{ key, effectKey: `${promotionId}/deploy/${key}`, target: null, result: { of: key } },
  ...{ state: 'succeeded' as const, reason: null, values: { of: key }, references: {} },
  evenWhenEnded: false,
});

test('steps begin and end together, each once, with their events in the order of the pipeline', async () => {
  const begins = ['gate', 'scan'].map((stepId) => ({
    ...{ stepId, from: 'pending' as const, round: 1, counts: true, event: event(stepId) },
  }));
  const begun = await inTenant((tx) => beginSteps(tx, promotionId, begins));
  expect(Object.fromEntries(begun)).toEqual({ gate: 1, scan: 1 });
  // Neither is pending any more.
  expect((await inTenant((tx) => beginSteps(tx, promotionId, begins))).size).toBe(0);
  const ended = await inTenant((tx) =>
    endSteps(tx, promotionId, [endOf('scan'), endOf('gate'), endOf('none')]),
  );
  const all = { isLive: true, isKept: true, isSettled: true };
  expect(Object.fromEntries(ended)).toEqual({ gate: all, scan: all });
  const again = await inTenant((tx) => endSteps(tx, promotionId, [endOf('gate')]));
  expect(again.get('gate')).toEqual({ isLive: false, isKept: false, isSettled: false });
  const steps = await inTenant((tx) => listSteps(tx, promotionId));
  expect(steps.slice(0, 2)).toMatchObject([
    { stepId: 'scan', state: 'succeeded', values: { of: 'scan' }, endedAt: expect.any(String) },
    { stepId: 'gate', state: 'succeeded', values: { of: 'gate' } },
  ]);
  const haveBegun = steps.filter(({ hasBegun }) => hasBegun);
  expect(haveBegun.map(({ stepId }) => stepId)).toEqual(['scan', 'gate']);
  const events = await database.query<{ state: string }>(
    `select data ->> 'state' as state from sluice.events where type = 'step.state-changed' order by arrival`,
  );
  expect(events.map(({ state }) => state)).toEqual(['scan', 'gate', 'succeeded', 'succeeded']);
});

test('who waits for the row that the interpreter ends finds it ended, and writes nothing', async () => {
  const begin = { stepId: 'plan', from: 'pending' as const, round: 1, counts: true, event: null };
  await inTenant((tx) => beginSteps(tx, promotionId, [begin]));
  let late: ReturnType<typeof endSteps> | undefined;
  await inTenant(async (tx) => {
    await setStepState(tx, { promotionId, stepId: 'plan', state: 'cancelled' });
    late = inTenant((other) => endSteps(other, promotionId, [endOf('plan')]));
    // It comes to the lock meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 200));
  });
  const told = await late;
  expect(told?.get('plan')).toEqual({ isLive: false, isKept: false, isSettled: false });
  const steps = await inTenant((tx) => listSteps(tx, promotionId));
  expect(steps.find(({ stepId }) => stepId === 'plan')?.state).toBe('cancelled');
  const kept = await inTenant((tx) =>
    endSteps(tx, promotionId, [{ ...endOf('plan'), evenWhenEnded: true }]),
  );
  expect(kept.get('plan')).toEqual({ isLive: false, isKept: true, isSettled: false });
});

test('members begin and end together; what has ended, or ends with its step, is left out', async () => {
  const begin = { stepId: 'deploy', from: 'pending' as const, round: 1, counts: false };
  await inTenant((tx) => beginSteps(tx, promotionId, [{ ...begin, event: null }]));
  const begun = await inTenant((tx) => beginMembers(tx, set, ['c', 'a', 'b', 'x'], true));
  expect(Object.fromEntries(begun)).toEqual({ a: 1, b: 1, c: 1 });
  const first = await inTenant((tx) => endMembers(tx, set, [memberEnd('b'), memberEnd('a')]));
  const all = { isLive: true, isKept: true, isSettled: true };
  expect(Object.fromEntries(first)).toEqual({ a: all, b: all });
  expect((await inTenant((tx) => beginMembers(tx, set, ['a', 'c'], false))).get('c')).toBe(1);
  const found = await inTenant((tx) =>
    findExecutions(tx, promotionId, {
      steps: ['deploy', 'scan', 'none'],
      effects: [`${promotionId}/deploy/a`, `${promotionId}/deploy/c`],
      members: { ...set, keys: ['a', 'c', 'x'] },
    }),
  );
  expect([...(found?.steps.keys() ?? [])].toSorted()).toEqual(['deploy', 'scan']);
  expect(found?.effects.get(`${promotionId}/deploy/a`)).toEqual({ of: 'a' });
  expect([...(found?.members.keys() ?? [])].toSorted()).toEqual(['a', 'c']);
  await inTenant((tx) =>
    setStepState(tx, { promotionId, stepId: 'deploy', state: 'cancelled', reason: null }),
  );
  const even = { ...memberEnd('c'), evenWhenEnded: true };
  const last = await inTenant((tx) => endMembers(tx, set, [memberEnd('b'), memberEnd('c')]));
  const none = { isLive: false, isKept: false, isSettled: false };
  expect(Object.fromEntries(last)).toEqual({ b: none, c: none });
  const kept = await inTenant((tx) => endMembers(tx, set, [even]));
  expect(kept.get('c')).toEqual({ isLive: false, isKept: true, isSettled: true });
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

test('none of them looks through a table, or through all of a promotion', async () => {
  const asked: [string, readonly unknown[]][] = [];
  const scans = await inTenant(async (tx) => {
    const watching: Tx = {
      tenantId: tx.tenantId,
      query: ((sql, values = []) => {
        asked.push([sql, values]);
        return tx.query(sql, values);
      }) as Queryable['query'],
    };
    await findExecutions(watching, promotionId, {
      ...{ steps: ['scan'], effects: ['x'], members: { ...set, keys: ['a'] } },
    });
    const begin = { stepId: 'scan', from: 'pending' as const, round: 1, counts: true, event: null };
    await beginSteps(watching, promotionId, [begin]);
    await beginMembers(watching, set, ['a'], true);
    await endSteps(watching, promotionId, [endOf('scan')]);
    await endMembers(watching, set, [memberEnd('a')]);
    await tx.query('set local enable_seqscan = off');
    const nodes: PlanNode[] = [];
    for (const [sql, values] of asked) {
      const { rows } = await tx.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `explain (format json) ${sql}`,
        values,
      );
      if (rows[0] !== undefined) nodes.push(...flatten(rows[0]['QUERY PLAN'][0].Plan));
    }
    return nodes.filter((node) => node['Node Type'] === 'Seq Scan');
  });
  expect(asked).toHaveLength(5);
  expect(scans.map((node) => node['Relation Name'])).toEqual([]);
});

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}
