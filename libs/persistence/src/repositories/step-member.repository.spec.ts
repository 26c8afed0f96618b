import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { composePlan } from '@sluice/domain';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { setDeploymentState, upsertDeployment } from './deployment.repository.ts';
import { beginMembers } from './execution-begin.repository.ts';
import { insertPlan } from './plan.repository.ts';
import { insertSteps } from './promotion-step.repository.ts';
import {
  countMembers,
  listMemberCounts,
  listMemberOutputs,
  listMemberStates,
  listMembers,
  listMembersOfKey,
} from './step-member.read-model.ts';
import {
  closeMembers,
  findMember,
  findNewestRound,
  insertMembers,
  listMemberKeys,
  settleMember,
  settleMembers,
  startMember,
} from './step-member.repository.ts';

let database: TestDatabase;
let promotionId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  promotionId = (await createScene(database)).promotion.promotionId;
});
afterAll(() => database.drop());

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
  withTenant(database.poolOf('sluice_worker', { max: 1 }), 'acme', work);

async function newSet(stepId: string, values: readonly (string | number)[], round = 1) {
  const set = { promotionId, stepId, round };
  await inTenant(async (tx) => {
    await insertSteps(tx, promotionId, [{ id: stepId, type: 'script@1' }]);
    const members = values.map((value, index) => ({ key: String(index), target: null, value }));
    await insertMembers(tx, set, members);
    await insertMembers(tx, set, members);
  });
  return set;
}

test('members are stored once, in order, and read page by page', async () => {
  const set = await newSet('pages', ['a', 'b', 'c']);
  const first = await inTenant((tx) => listMembers(tx, { ...set, first: 2 }));
  expect(first.edges.map(({ node }) => [node.index, node.key, node.value, node.state])).toEqual([
    [0, '0', 'a', 'pending'],
    [1, '1', 'b', 'pending'],
  ]);
  expect(first.hasNextPage).toBe(true);
  const { promotionId: id, stepId } = set;
  const rest = await inTenant((tx) =>
    listMembers(tx, { promotionId: id, stepId, first: 2, after: first.endCursor }),
  );
  expect(rest.edges.map(({ node }) => node.key)).toEqual(['2']);
  expect(await inTenant((tx) => listMemberKeys(tx, set, { from: 1, to: 3 }))).toEqual(['1', '2']);
  expect(await inTenant((tx) => findMember(tx, set, '7'))).toBeUndefined();
});

test('a member begins once and ends once; only what was put back follows an end', async () => {
  const set = await newSet('ends', ['a', 'b', 'c', 'd']);
  await inTenant(async (tx) => {
    await startMember(tx, set, '0');
    const values = { n: 1 };
    expect(await settleMember(tx, set, { key: '0', state: 'succeeded', values })).toBe(true);
    expect(await settleMember(tx, set, { key: '0', state: 'failed' })).toBe(false);
    await startMember(tx, set, '0');
    expect(await settleMember(tx, set, { key: '0', state: 'reverted' })).toBe(true);
    expect(await settleMember(tx, set, { key: '0', state: 'reverted' })).toBe(false);
    const reason = { code: 'late', message: 'Too \u0000 late.' };
    const late = ['1', '2', '9'].map((key) => ({ key, state: 'failed' as const, reason }));
    expect(await settleMembers(tx, set, late)).toBe(2);
  });
  expect(await inTenant((tx) => findMember(tx, set, '0'))).toMatchObject({
    state: 'reverted',
    values: { n: 1 },
    startedAt: expect.any(String),
    endedAt: expect.any(String),
  });
  expect(await inTenant((tx) => countMembers(tx, set))).toEqual({
    reverted: 1,
    failed: 2,
    pending: 1,
  });
  const failed = await inTenant((tx) =>
    listMembers(tx, { ...set, states: ['pending', 'failed', 'failed'], first: 2 }),
  );
  expect(failed.edges.map(({ node }) => [node.key, node.state])).toEqual([
    ['1', 'failed'],
    ['2', 'failed'],
  ]);
  expect(failed.hasNextPage).toBe(true);
  expect(failed.edges[0]?.node.reason).toEqual({ code: 'late', message: 'Too \uFFFD late.' });
});

test('the newest round counts', async () => {
  await newSet('rounds', ['a', 'b'], 1);
  const set = await newSet('rounds', ['a'], 2);
  await inTenant((tx) => settleMember(tx, set, { key: '0', state: 'denied' }));
  expect(await inTenant((tx) => findNewestRound(tx, set))).toBe(2);
  const counts = await inTenant((tx) => listMemberCounts(tx, [promotionId]));
  expect(counts.filter(({ stepId }) => stepId === 'rounds')).toEqual([
    { ...set, counts: { denied: 1 }, touched: 0, unsure: 0 },
  ]);
  const states = await inTenant((tx) => listMemberStates(tx, promotionId));
  expect(states.filter(({ stepId }) => stepId === 'rounds')).toEqual([
    { stepId: 'rounds', round: 2, key: '0', state: 'denied', reason: null },
  ]);
  const ofKey = await inTenant((tx) => listMembersOfKey(tx, promotionId, ['rounds', 'none'], '0'));
  expect(ofKey.map(({ round }) => round)).toEqual([2]);
});

test('members whose target was changed and not put back are counted, in whatever state they are', async () => {
  const target = 'dev-host-1';
  const set = { promotionId, stepId: 'targets', round: 1 };
  await inTenant(async (tx) => {
    await insertSteps(tx, promotionId, [{ id: 'targets', type: 'deploy@1' }]);
    await insertMembers(tx, set, [{ key: target, target, value: { name: target, labels: {} } }]);
    const planDigest = await insertPlan(tx, composePlan(target, null, null));
    await upsertDeployment(tx, { promotionId, target, planDigest });
    await settleMember(tx, set, { key: target, state: 'failed' });
  });
  const tally = async () =>
    (await inTenant((tx) => listMemberCounts(tx, [promotionId]))).find(
      ({ stepId }) => stepId === 'targets',
    );
  expect(await tally()).toEqual({ ...set, counts: { failed: 1 }, touched: 0, unsure: 0 });
  const become = (state: 'dispatched' | 'reverted') =>
    inTenant((tx) => setDeploymentState(tx, { promotionId, target, state }));
  await become('dispatched');
  expect(await tally()).toEqual({ ...set, counts: { failed: 1 }, touched: 1, unsure: 0 });
  await become('reverted');
  expect(await tally()).toMatchObject({ touched: 0 });
});

test('executions that began, and were neither done nor put back, are counted over all rounds', async () => {
  const earlier = await newSet('unsure', ['a', 'b'], 1);
  await inTenant(async (tx) => {
    await beginMembers(tx, earlier, ['0'], true);
    await settleMember(tx, earlier, { key: '0', state: 'succeeded' });
  });
  const set = await newSet('unsure', ['a', 'b', 'c', 'd'], 2);
  await inTenant(async (tx) => {
    await beginMembers(tx, set, ['0', '1', '2'], true);
    await settleMember(tx, set, { key: '0', state: 'succeeded' });
    await settleMember(tx, set, { key: '1', state: 'failed' });
    await settleMember(tx, set, { key: '2', state: 'failed' });
    await settleMember(tx, set, { key: '2', state: 'reverted' });
    await settleMember(tx, set, { key: '3', state: 'failed' });
  });
  const tallies = await inTenant((tx) => listMemberCounts(tx, [promotionId]));
  expect(tallies.filter(({ stepId }) => stepId === 'unsure')).toEqual([
    { ...set, counts: { succeeded: 1, failed: 2, reverted: 1 }, touched: 0, unsure: 2 },
  ]);
});

test('outputs come as lists by member, within their bound', async () => {
  const set = await newSet('outputs', ['a', 'b', 'c']);
  await inTenant(async (tx) => {
    await settleMember(tx, set, { key: '0', state: 'succeeded', values: { n: 1, more: 'x' } });
    await settleMember(tx, set, {
      key: '2',
      state: 'succeeded',
      values: { n: 3 },
      references: { big: { digest: `sha256:${'a'.repeat(64)}`, bytes: 900 } },
    });
  });
  const ask = (names: readonly string[] | null, maxBytes = 1000) =>
    inTenant((tx) => listMemberOutputs(tx, { ...set, names, maxBytes }));
  const none = [null, null, null];
  const big = {
    name: 'big',
    index: 2,
    reference: { digest: `sha256:${'a'.repeat(64)}`, bytes: 900 },
  };
  expect(await ask(['n'], 50)).toEqual({ lists: { n: [1, null, 3] }, large: [] });
  expect(await ask(null)).toEqual({
    lists: { big: none, more: ['x', null, null], n: [1, null, 3] },
    large: [big],
  });
  expect(await ask(['big'])).toEqual({ lists: { big: none }, large: [big] });
  // What lies elsewhere counts too.
  expect(await ask(['big'], 890)).toBeUndefined();
  expect(await ask(['unknown'])).toEqual({ lists: { unknown: none }, large: [] });
  expect(await ask(['n'], 5)).toBeUndefined();
  const nobody = { promotionId, stepId: 'nobody', names: ['n'], maxBytes: 10 };
  expect(await inTenant((tx) => listMemberOutputs(tx, nobody))).toEqual({
    lists: { n: [] },
    large: [],
  });
});

test('what is open when its promotion ends is closed', async () => {
  const set = await newSet('open', ['a', 'b', 'c']);
  await inTenant(async (tx) => {
    await startMember(tx, set, '0');
    await settleMember(tx, set, { key: '1', state: 'succeeded' });
    await closeMembers(tx, promotionId, { code: 'why', message: 'Because.' });
  });
  expect(await inTenant((tx) => countMembers(tx, set))).toEqual({
    cancelled: 1,
    succeeded: 1,
    skipped: 1,
  });
});

test('ten thousand members are stored by one statement', async () => {
  const set = await newSet(
    'many',
    Array.from({ length: 10_000 }, (_, index) => index),
  );
  expect(await inTenant((tx) => countMembers(tx, set))).toEqual({ pending: 10_000 });
});
