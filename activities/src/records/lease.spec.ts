import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { getPromotion, listEvents, setPromotionState, withTenant } from '@sluice/persistence';
import type { PromotionRef } from '@sluice/temporal-contract';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createPromotionScene, SCENE_TENANT } from '../testing/promotion-scene.ts';
import { createLeaseActivities, releaseLeaseOfEnded } from './lease.activities.ts';
import { createRulesActivities } from './rules.activities.ts';

const resource = 'environment:dev';
const scene = await createPromotionScene();
const release = await scene.addRelease('1.0.0');
afterAll(() => scene.database.drop());
beforeEach(async () => {
  await scene.database.query(`
    delete from sluice.lease_queue;
    update sluice.leases set holder = null;
    delete from sluice.outbox;`);
});

const parts = {
  pool: scene.worker,
  logger: createLogger({ service: 'test', level: 'silent' }),
  scope: () => createFakeScope(),
  supersedeGraceSeconds: 3,
};
const { takeLease, yieldLease, releaseLease } = createLeaseActivities(parts);
const { freezeRules } = createRulesActivities(parts);

test('the lease goes to the first in line that is ready; who yields it keeps its old place', async () => {
  const [one, two, three] = [await begun(), await begun(), await begun()];
  expect(await takeLease({ promotion: two, resource })).toMatchObject({ state: 'granted' });
  expect(await takeLease({ promotion: three, resource })).toMatchObject({ state: 'queued' });
  expect(await takeLease({ promotion: one, resource })).toMatchObject({ state: 'queued' });
  await yieldLease({ promotion: two, resource });
  await yieldLease({ promotion: two, resource });
  expect(await holder()).toBe(`promotion:${one.promotionId}`);
  expect(await messages()).toEqual([['leaseGranted', one.promotionId]]);
  await takeLease({ promotion: two, resource });
  await releaseLease({ promotion: one, resource });
  expect(await holder()).toBe(`promotion:${two.promotionId}`);
  expect(await typesOf(two)).toEqual([
    'lease.queued',
    'lease.granted',
    'lease.yielded',
    'lease.granted',
  ]);
});

test('after a success everyone who keeps a place without being ready is told, and nobody else', async () => {
  const [one, ready, unready] = [await begun(), await begun(), await begun()];
  await takeLease({ promotion: one, resource });
  await takeLease({ promotion: ready, resource });
  await end(one, 'succeeded');
  await releaseLease({ promotion: one, resource });
  await releaseLease({ promotion: one, resource });
  expect(await messages()).toEqual([
    ['leaseGranted', ready.promotionId],
    ['targetsChanged', unready.promotionId],
  ]);
  await end(ready, 'failed');
  await releaseLease({ promotion: ready, resource });
  expect(await messages()).toHaveLength(2);
});

test('a rollback takes the lease from its holder with a higher token, who is asked and then ended', async () => {
  const [one, waiting] = [await begun(), await begun()];
  const held = await takeLease({ promotion: one, resource });
  await takeLease({ promotion: waiting, resource });
  const rollback = await begun('rollback');
  const granted = await takeLease({ promotion: rollback, resource, preempt: true });
  expect(await takeLease({ promotion: rollback, resource, preempt: true })).toEqual(granted);
  if (held.state !== 'granted' || granted.state !== 'granted') throw new Error('not granted');
  expect(granted.fencingToken).toBeGreaterThan(held.fencingToken);
  expect(await recordOf(one)).toMatchObject({ supersededBy: rollback.promotionId });
  expect(await typesOf(one)).toEqual(['lease.queued', 'lease.granted', 'promotion.superseded']);
  expect(await typesOf(rollback)).toEqual(['lease.preempted']);
  const outbox = await scene.database.query(
    `select kind, body, extract(epoch from next_attempt_at - created_at)::int as delay
       from sluice.outbox order by outbox_id`,
  );
  const workflowId = `promotion/acme/${one.promotionId}`;
  expect(outbox).toMatchObject([
    {
      kind: 'signal-workflow',
      body: { workflowId, signal: 'supersedePromotion', input: { by: rollback.promotionId } },
      delay: 0,
    },
    // A settlement that works in its place stops too.
    {
      kind: 'signal-workflow',
      body: { workflowId: `settlement/acme/${one.promotionId}`, signal: 'supersedePromotion' },
    },
    { kind: 'terminate-workflow', body: { workflowId }, delay: 3 },
  ]);
  // What it held is not its own any more: nothing that it does late changes the lease.
  await releaseLease({ promotion: one, resource });
  await yieldLease({ promotion: one, resource });
  expect(await takeLease({ promotion: one, resource })).toMatchObject({ state: 'queued' });
  expect(await holder()).toBe(`promotion:${rollback.promotionId}`);
});

test('two rollbacks: the later one has it, and a late attempt of the earlier one takes nothing back', async () => {
  const [first, second] = [await begun('rollback'), await begun('rollback')];
  await takeLease({ promotion: first, resource, preempt: true });
  await takeLease({ promotion: second, resource, preempt: true });
  await expect(takeLease({ promotion: first, resource, preempt: true })).rejects.toMatchObject({
    type: 'IllegalTransition',
  });
  expect(await holder()).toBe(`promotion:${second.promotionId}`);
  expect(await typesOf(first)).toEqual(['lease.granted', 'promotion.superseded']);
});

test('attempts at the same instant tell of each change of the lease once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const one = await begun();
    const twice = (work: () => Promise<unknown>) => Promise.all([work(), work(), work()]);
    await twice(() => takeLease({ promotion: one, resource }));
    await twice(() => yieldLease({ promotion: one, resource }));
    expect(await typesOf(one)).toEqual(['lease.queued', 'lease.granted', 'lease.yielded']);
    await releaseLease({ promotion: one, resource });
    const rollback = await begun('rollback');
    await twice(() => takeLease({ promotion: rollback, resource, preempt: true }));
    expect(await typesOf(rollback)).toEqual(['lease.granted']);
    await releaseLease({ promotion: rollback, resource });
  }
});

test('two rollbacks at the same instant: one holds it, the other is superseded', async () => {
  const held = await begun();
  await takeLease({ promotion: held, resource });
  const both = [await begun('rollback'), await begun('rollback')];
  await Promise.all(both.map((promotion) => takeLease({ promotion, resource, preempt: true })));
  const records = await Promise.all(both.map(recordOf));
  expect(records.filter(({ supersededBy }) => supersededBy !== null)).toHaveLength(1);
  const winner = records.find(({ supersededBy }) => supersededBy === null);
  expect(await holder()).toBe(`promotion:${winner?.promotionId}`);
});

test('a rollback takes a lease that the dead left, and supersedes nobody who has ended', async () => {
  const dead = await begun();
  await takeLease({ promotion: dead, resource });
  await end(dead, 'failed');
  const rollback = await begun('rollback');
  await takeLease({ promotion: rollback, resource, preempt: true });
  expect(await recordOf(dead)).toMatchObject({ supersededBy: null });
  expect(await messages()).toEqual([]);
});

test('the watchdog gives back what an ended promotion holds, once, and nothing of one that runs', async () => {
  const [one, two] = [await begun(), await begun()];
  await takeLease({ promotion: one, resource });
  await takeLease({ promotion: two, resource });
  expect(await releaseLeaseOfEnded(scene.worker, { ...one, resource })).toBe(false);
  expect(await holder()).toBe(`promotion:${one.promotionId}`);
  await end(one, 'cancelled');
  expect(await releaseLeaseOfEnded(scene.worker, { ...one, resource })).toBe(true);
  expect(await releaseLeaseOfEnded(scene.worker, { ...one, resource })).toBe(false);
  expect(await holder()).toBe(`promotion:${two.promotionId}`);
  expect(await messages()).toEqual([['leaseGranted', two.promotionId]]);
  const events = await eventsOf(one);
  expect(events.at(-1)).toMatchObject({ type: 'lease.released', actor: 'system:watchdog' });
  const place = await begun();
  await end(place, 'cancelled');
  expect(await releaseLeaseOfEnded(scene.worker, { ...place, resource })).toBe(true);
});

test('the turn of a concurrency group goes round beside the environment, and tells nobody of targets', async () => {
  const group = 'group:database';
  const [one, two] = [await begun(), await begun()];
  expect(await takeLease({ promotion: one, resource })).toMatchObject({ state: 'granted' });
  const first = await takeLease({ promotion: one, resource: group });
  expect(first).toMatchObject({ state: 'granted' });
  expect(await takeLease({ promotion: one, resource: group })).toEqual(first);
  expect(await takeLease({ promotion: two, resource: group })).toEqual({
    state: 'queued',
    position: 1,
    holder: `promotion:${one.promotionId}`,
  });
  await end(one, 'succeeded');
  await releaseLease({ promotion: one, resource: group });
  expect(await messages()).toEqual([['leaseGranted', two.promotionId]]);
  expect(await takeLease({ promotion: two, resource: group })).toMatchObject({ state: 'granted' });
  // Whoever died with it gives it back, each lease on its own.
  await end(two, 'failed');
  expect(await releaseLeaseOfEnded(scene.worker, { ...two, resource: group })).toBe(true);
  expect(await releaseLeaseOfEnded(scene.worker, { ...one, resource })).toBe(true);
  expect(await holder()).toBeNull();
});

async function begun(kind: 'promote' | 'rollback' = 'promote'): Promise<PromotionRef> {
  const { promotionId } = await scene.addPromotion(release, { kind });
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await freezeRules({ promotion });
  return promotion;
}

async function end(
  { promotionId }: PromotionRef,
  state: 'succeeded' | 'failed' | 'cancelled',
): Promise<void> {
  await withTenant(scene.worker, SCENE_TENANT, async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setPromotionState(tx, { promotionId, state });
  });
}

function recordOf({ promotionId }: PromotionRef) {
  return withTenant(scene.worker, SCENE_TENANT, (tx) => getPromotion(tx, promotionId));
}

async function holder(): Promise<unknown> {
  const rows = await scene.database.query<{ holder: string }>('select holder from sluice.leases');
  return rows[0]?.holder;
}

/** Signals that were asked for: which, to whom. */
async function messages(): Promise<readonly (readonly [string, string])[]> {
  const rows = await scene.database.query<{ body: { signal: string; workflowId: string } }>(
    `select body from sluice.outbox where kind = 'signal-workflow' order by outbox_id`,
  );
  return rows.map(({ body }) => [body.signal, body.workflowId.slice('promotion/acme/'.length)]);
}

async function eventsOf({ promotionId }: PromotionRef) {
  const { edges } = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    listEvents(tx, { first: 50, promotionId }),
  );
  return edges.map(({ node }) => node);
}

async function typesOf(promotion: PromotionRef): Promise<readonly string[]> {
  const types = (await eventsOf(promotion)).map(({ type }) => type);
  // That it began is told where its rules are frozen.
  return types.filter((type) => type !== 'promotion.state-changed');
}
