import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { getPromotion, listEvents, listSteps, withTenant } from '@sluice/persistence';
import { confirmDeployment } from '@sluice/persistence/testing';
import { createFakeScope } from '../testing/fake-scope.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
} from '../testing/promotion-scene.ts';
import { createLeaseActivities } from './lease.activities.ts';
import { createRulesActivities } from './rules.activities.ts';
import { createStateActivities } from './state.activities.ts';

let scene: PromotionScene;
let release: string;
beforeAll(async () => {
  scene = await createPromotionScene({ targets: ['dev-2', 'dev-1'], before: ['staging'] });
  release = await scene.addRelease('1.0.0');
});
afterAll(() => scene.database.drop());

const parts = () => ({
  pool: scene.worker,
  logger: createLogger({ service: 'test', level: 'silent' }),
  scope: () => createFakeScope(),
});

test('freezeRules stores the rules once, targets sorted, and gives the same ones again', async () => {
  const { promotionId } = await scene.addPromotion(release);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  const { freezeRules } = createRulesActivities(parts());
  const first = await freezeRules({ promotion });
  expect(first.targets).toEqual(['dev-1', 'dev-2']);
  expect(first.releaseDigest).toBe(release);
  expect(first.rulesDigest).toMatch(/^sha256:/);
  expect(first).toMatchObject({
    form: 2,
    kind: 'promote',
    approval: null,
    predecessors: [],
    requester: { principalId: 'alice', personId: 'alice' },
  });
  expect(await freezeRules({ promotion })).toEqual(first);
  // Its place in the queue is there from its start, and not ready.
  expect(await placesOf(promotionId)).toEqual([{ ready: false }]);
  // And it has begun.
  expect(await typesOf(promotionId)).toEqual(['lease.queued', 'promotion.state-changed']);
  await createLeaseActivities(parts()).releaseLease({ promotion, resource: 'environment:dev' });
  expect(await placesOf(promotionId)).toEqual([]);
});

test('rules of a promotion that has ended are not frozen any more, and it gets no place', async () => {
  const { promotionId } = await scene.addPromotion(release);
  await end(promotionId, 'cancelled');
  const { freezeRules } = createRulesActivities(parts());
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await expect(freezeRules({ promotion })).rejects.toMatchObject({ type: 'IllegalTransition' });
  expect(await placesOf(promotionId)).toEqual([]);
});

test('a rollback freezes its own pipeline and enters no queue', async () => {
  const { promotionId } = await scene.addPromotion(release, { kind: 'rollback' });
  const { freezeRules } = createRulesActivities(parts());
  const rules = await freezeRules({ promotion: { tenantId: SCENE_TENANT, promotionId } });
  expect(rules).toMatchObject({ kind: 'rollback', approval: null });
  expect(rules.pipeline.steps.map(({ id }) => id)).toEqual(['plan', 'deploy', 'verify']);
  expect(await placesOf(promotionId)).toEqual([]);
});

test('a release that its predecessors have not verified is refused for good', async () => {
  await scene.database.query(
    `update sluice.environments set predecessors = '{staging}' where environment_id = 'dev'`,
  );
  const { freezeRules } = createRulesActivities(parts());
  const { promotionId } = await scene.addPromotion(release);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await expect(freezeRules({ promotion })).rejects.toMatchObject({
    type: 'InvalidInput',
    nonRetryable: true,
    message: expect.stringContaining('staging'),
  });
  expect(await placesOf(promotionId)).toEqual([]);
  const before = await scene.addPromotion(release, { environment: 'staging' });
  await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    confirmDeployment(tx, before.promotionId, 'dev-1'),
  );
  await end(before.promotionId, 'succeeded');
  expect(await freezeRules({ promotion })).toMatchObject({ predecessors: ['staging'] });
  await createLeaseActivities(parts()).releaseLease({ promotion, resource: 'environment:dev' });
  await scene.database.query(`update sluice.environments set predecessors = '{}'`);
});

test('freezeRules of a promotion that is not there fails for good', async () => {
  const { freezeRules } = createRulesActivities(parts());
  await expect(
    freezeRules({ promotion: { tenantId: SCENE_TENANT, promotionId: 'dev/999' } }),
  ).rejects.toMatchObject({ type: 'NotFound', nonRetryable: true });
});

test('a promotion that has ended takes no lease: a late attempt would hold it for ever', async () => {
  const { promotionId } = await scene.addPromotion(release);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await end(promotionId, 'cancelled');
  const { takeLease } = createLeaseActivities(parts());
  await expect(takeLease({ promotion, resource: 'environment:dev' })).rejects.toMatchObject({
    type: 'IllegalTransition',
  });
});

test('a lease is granted once, queued for the next, and the next is told when it is released', async () => {
  const [one, two] = [await scene.addPromotion(release), await scene.addPromotion(release)].map(
    ({ promotionId }) => ({ tenantId: SCENE_TENANT, promotionId }),
  );
  if (one === undefined || two === undefined) throw new Error('no promotions');
  const resource = 'environment:dev';
  const { takeLease, releaseLease } = createLeaseActivities(parts());
  const granted = await takeLease({ promotion: one, resource });
  expect(granted).toEqual({ state: 'granted', fencingToken: 1 });
  expect(await takeLease({ promotion: one, resource })).toEqual(granted);
  expect(await takeLease({ promotion: two, resource })).toEqual({
    state: 'queued',
    position: 1,
    holder: `promotion:${one.promotionId}`,
  });
  await releaseLease({ promotion: one, resource });
  await releaseLease({ promotion: one, resource });
  expect(await takeLease({ promotion: two, resource })).toEqual({
    state: 'granted',
    fencingToken: 2,
  });
  const outbox = await scene.database.query<{ body: { workflowId: string; signal: string } }>(
    "select body from sluice.outbox where kind = 'signal-workflow'",
  );
  expect(outbox).toEqual([
    {
      body: expect.objectContaining({
        workflowId: `promotion/acme/${two.promotionId}`,
        signal: 'leaseGranted',
      }),
    },
  ]);
  const events = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    listEvents(tx, { first: 50, promotionId: two.promotionId }),
  );
  expect(events.edges.map(({ node }) => node.type)).toEqual(['lease.granted']);
  await releaseLease({ promotion: two, resource });
});

test('recordPromotion and recordStep write state and event once, and refuse what the table has not', async () => {
  const { promotionId } = await scene.addPromotion(release);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  const { recordPromotion, recordStep, listDeployments } = createStateActivities(parts());
  await recordPromotion({ promotion, state: 'running', reason: null });
  await recordPromotion({ promotion, state: 'running', reason: null });
  await recordStep({ promotion, stepId: 'scan', state: 'skipped', reason: null });
  await expect(
    recordStep({ promotion, stepId: 'scan', state: 'running', reason: null }),
  ).rejects.toMatchObject({ type: 'IllegalTransition', nonRetryable: true });
  const [record, steps, events] = await withTenant(scene.worker, SCENE_TENANT, async (tx) => [
    await getPromotion(tx, promotionId),
    await listSteps(tx, promotionId),
    await listEvents(tx, { first: 50, promotionId }),
  ]);
  expect(record.state).toBe('running');
  expect(steps[0]?.state).toBe('skipped');
  expect(events.edges.map(({ node }) => [node.type, node.traceId])).toEqual([
    ['promotion.state-changed', '0af7651916cd43dd8448eb211c80319c'],
    ['step.state-changed', '0af7651916cd43dd8448eb211c80319c'],
  ]);
  expect(await listDeployments({ promotion })).toEqual([]);
});

async function end(promotionId: string, state: string): Promise<void> {
  await scene.database.query(
    'update sluice.promotions set state = $2, ended_at = now() where promotion_id = $1',
    [promotionId, state],
  );
}

function placesOf(promotionId: string): Promise<readonly unknown[]> {
  return scene.database.query('select ready from sluice.lease_queue where holder = $1', [
    `promotion:${promotionId}`,
  ]);
}

async function typesOf(promotionId: string): Promise<readonly string[]> {
  const { edges } = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    listEvents(tx, { first: 50, promotionId }),
  );
  return edges.map(({ node }) => node.type);
}
