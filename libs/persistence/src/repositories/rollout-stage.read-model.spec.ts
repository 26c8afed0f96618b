import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { composePlan } from '@sluice/domain';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { setDeploymentState, upsertDeployment } from './deployment.repository.ts';
import { insertPlan } from './plan.repository.ts';
import { insertSteps } from './promotion-step.repository.ts';
import {
  countStageMembers,
  listStageMembers,
  MAX_MEMBERS_OF_STAGE,
} from './rollout-stage.read-model.ts';
import { insertMembers, settleMembers } from './step-member.repository.ts';

let database: TestDatabase;
let promotionId: string;
const inWorker = <T>(work: (tx: Tx) => Promise<T>) =>
  withTenant(database.poolOf('sluice_worker', { max: 1 }), 'acme', work);

beforeAll(async () => {
  database = await createTestDatabase();
  ({
    promotion: { promotionId },
  } = await createScene(database));
});

afterAll(() => database.drop());

test('stages show their own members, in their round; one that was put back is no success', async () => {
  const set = { promotionId, stepId: 'roll', round: 1 };
  const members = Array.from({ length: 150 }, (_, at) => ({
    key: at === 0 ? 'dev-host-1' : `host-${at}`,
    target: at === 0 ? 'dev-host-1' : null,
    value: at,
  }));
  const reason = { code: 'x', message: 'It did not start.' };
  await inWorker(async (tx) => {
    await insertSteps(tx, promotionId, [{ id: 'roll', type: 'rollout@1' }]);
    await insertMembers(tx, set, members);
    await insertMembers(tx, { ...set, round: 2 }, members.slice(0, 1));
    await settleMembers(tx, set, [
      { key: 'dev-host-1', state: 'succeeded' },
      { key: 'host-1', state: 'failed', reason },
    ]);
  });
  const ranges = [
    { ...set, from: 0, to: 3 },
    { ...set, from: 3, to: 150 },
    { ...set, from: 3, to: 3 },
    { ...set, round: 2, from: 0, to: 3 },
  ];
  const listed = await inWorker((tx) => listStageMembers(tx, ranges));
  expect(listed.slice(0, 3)).toEqual([
    { asked: 0, key: 'dev-host-1', state: 'succeeded', reason: null },
    { asked: 0, key: 'host-1', state: 'failed', reason },
    { asked: 0, key: 'host-2', state: 'pending', reason: null },
  ]);
  const second = listed.filter(({ asked }) => asked === 1);
  expect(second).toHaveLength(MAX_MEMBERS_OF_STAGE);
  expect([second[0]?.key, second.at(-1)?.key]).toEqual(['host-3', 'host-102']);
  expect(listed.slice(103)).toEqual([
    { asked: 3, key: 'dev-host-1', state: 'pending', reason: null },
  ]);
  const counted = () => inWorker((tx) => countStageMembers(tx, ranges));
  expect(await counted()).toEqual([
    { asked: 0, state: 'failed', members: 1 },
    { asked: 0, state: 'pending', members: 1 },
    { asked: 0, state: 'succeeded', members: 1 },
    { asked: 1, state: 'pending', members: 147 },
    { asked: 3, state: 'pending', members: 1 },
  ]);
  const target = 'dev-host-1';
  await inWorker(async (tx) => {
    const planDigest = await insertPlan(tx, composePlan(target, null, null));
    await upsertDeployment(tx, { promotionId, target, planDigest });
    for (const state of ['dispatched', 'confirmed', 'reverted'] as const) {
      await setDeploymentState(tx, { promotionId, target, state });
    }
  });
  expect((await counted()).filter(({ asked }) => asked === 0)).toContainEqual({
    asked: 0,
    state: 'reverted',
    members: 1,
  });
  const [first] = await inWorker((tx) => listStageMembers(tx, ranges));
  expect(first).toMatchObject({ key: 'dev-host-1', state: 'reverted' });
});
