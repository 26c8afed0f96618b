import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { WatchRules } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  findWatch,
  getPromotion,
  insertProbeSamples,
  type PromotionRecord,
  setCurrentReleases,
  setPromotionState,
  type Tx,
  takeLease,
  withTenant,
} from '@sluice/persistence';
import { confirmDeployment } from '@sluice/persistence/testing';
import type { WatchEnd, WatchReleaseInput, WatchResult } from '@sluice/temporal-contract';
import { localClients } from '../outbound/testing/fake-run.ts';
import { type LocalServer, serveLocally } from '../outbound/testing/local-server.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/promotion-scene.ts';
import { createCloseActivities } from './close-watch.ts';
import { createLookActivities } from './look-at-release.ts';
import { openWatch } from './open-watch.ts';

const SINCE = Date.parse('2026-11-21T12:30:00Z');
const PROBES: WatchRules = {
  seconds: 60,
  everySeconds: 10,
  probes: { failures: 2 },
  burnRate: null,
  onAlarm: 'rollback',
};
const BURN: WatchRules = {
  ...PROBES,
  probes: null,
  burnRate: {
    objective: 0.99,
    minRequests: 10,
    source: { kind: 'probes' },
    windows: [{ longSeconds: 60, shortSeconds: 20, factor: 5 }],
  },
};

let server: LocalServer;
let status: number;
let scene: PromotionScene;
let good: string;
let bad: string;
let clock: number;
beforeAll(async () => {
  server = await serveLocally((_request, response) => response.writeHead(status).end());
  const health = { path: '/healthz', port: server.port, intervalMs: 10, timeoutMs: 2000 };
  scene = await createPromotionScene({
    target: { health: { ...health, successes: 1, failures: 1 } },
  });
  good = await scene.addRelease('1.0.0');
  bad = await scene.addRelease('1.1.0');
}, 60_000);
afterAll(async () => {
  await scene?.database.drop();
  await server?.close();
});
beforeEach(async () => {
  status = 200;
  clock = SINCE;
  await scene.database.query(`delete from sluice.release_watches`);
  await scene.database.query(`delete from sluice.outbox`);
  await scene.database.query(`update sluice.leases set holder = null, acquired_at = null`);
  // What earlier tests promoted counts for nothing.
  await scene.database.query(
    `update sluice.promotions set state = 'cancelled', ended_at = coalesce(ended_at, now())`,
  );
  await succeed(await scene.addPromotion(good));
});

test('a release that stays healthy holds to the end, and a rollback is never watched', async () => {
  const promotion = await watched(PROBES);
  expect(await look(promotion)).toEqual({ kind: 'over' });
  expect(await close(promotion, { kind: 'over' })).toEqual({
    state: 'held',
    reason: null,
    rollbackId: null,
  });
  expect(await watchOf(promotion)).toMatchObject({ rounds: 6, blindSeconds: 0, state: 'held' });
  expect(await eventsOf(promotion)).toEqual(['watch.opened', 'watch.closed']);
  const rollback = await scene.addPromotion(good, { kind: 'rollback' });
  await inTenant((tx) => openWatch(tx, rollback, new Date(SINCE).toISOString()));
  expect(await watchOf(rollback)).toBeUndefined();
});

test('a target that fails opens one rollback to what was verified before, however often it is told', async () => {
  const promotion = await watched(PROBES);
  status = 500;
  const end = await look(promotion);
  expect(end).toMatchObject({ kind: 'alarm', reason: { code: 'watch-probe-failing' } });
  const ends = await Promise.all([close(promotion, end), close(promotion, end)]);
  const [{ rollbackId }] = ends as [WatchResult, WatchResult];
  expect(ends).toEqual([ends[0], ends[0]]);
  const rollback = await inTenant((tx) => getPromotion(tx, rollbackId ?? ''));
  expect(rollback).toMatchObject({
    kind: 'rollback',
    releaseDigest: good,
    requestedBy: 'system:watch',
    rollbackTo: 'last-verified',
    requestedReason: expect.stringContaining(`Alarm over ${promotion.promotionId}: The health of`),
  });
  expect(await startsOf('promoteRelease')).toEqual([`promotion/acme/${rollbackId}`]);
  expect(await watchOf(promotion)).toMatchObject({ state: 'alarmed', rollbackId });
});

test('where people are only to be told, nothing is rolled back; nor where the environment says so by now', async () => {
  const told = await watched({ ...PROBES, onAlarm: 'notify' });
  const alarm: WatchEnd = { kind: 'alarm', reason: { code: 'watch-burn-rate', message: 'Hot.' } };
  expect(await close(told, alarm)).toMatchObject({ state: 'alarmed', rollbackId: null });
  const changed = await watched(PROBES);
  await setRules({ ...PROBES, onAlarm: 'notify' });
  expect(await close(changed, alarm)).toMatchObject({
    state: 'alarmed',
    rollbackId: null,
    reason: { message: expect.stringContaining('sluice rollback dev') },
  });
});

test('without a release of before nothing is rolled back, and the watch says so', async () => {
  await scene.database.query(`update sluice.promotions set state = 'cancelled'`);
  const promotion = await watched(PROBES);
  const alarm: WatchEnd = { kind: 'alarm', reason: { code: 'watch-burn-rate', message: 'Hot.' } };
  expect(await close(promotion, alarm)).toMatchObject({
    state: 'alarmed',
    rollbackId: null,
    reason: { message: expect.stringContaining('No earlier release was verified') },
  });
});

test('a newer success ends it, also where an alarm came first', async () => {
  const promotion = await watched(PROBES);
  const newer = await scene.addPromotion(good);
  await succeed(newer, SINCE + 5000);
  const end = await look(promotion);
  expect(end).toEqual({ kind: 'superseded', by: newer.promotionId });
  const alarm: WatchEnd = { kind: 'alarm', reason: { code: 'watch-burn-rate', message: 'Hot.' } };
  expect(await close(promotion, alarm)).toMatchObject({ state: 'superseded', rollbackId: null });
});

test('while something else is deployed nobody can say whose fault it is: blind, and no alarm', async () => {
  const promotion = await watched(PROBES);
  status = 500;
  const other = await scene.addPromotion(bad);
  const lease = { resource: 'environment:dev', holder: `promotion:${other.promotionId}` };
  await inTenant((tx) => takeLease(tx, lease));
  expect(await look(promotion)).toEqual({ kind: 'over' });
  const alarm: WatchEnd = {
    kind: 'alarm',
    reason: { code: 'watch-probe-failing', message: 'Sick.' },
  };
  expect(await close(promotion, alarm)).toMatchObject({ state: 'watching', rollbackId: null });
  expect(await eventsOf(promotion)).toEqual(['watch.opened', 'watch.blinded']);
  const { blind, blindSeconds } = (await watchOf(promotion)) ?? {};
  expect([blind?.code, blindSeconds]).toEqual(['watch-promotion-underway', 60]);
  expect(await close(promotion, { kind: 'over' })).toMatchObject({
    state: 'failed',
    reason: { code: 'watch-blind', message: expect.stringContaining('60 of 60 s') },
  });
});

test('errors that the agents count burn the budget: an alarm when both windows do', async () => {
  const promotion = await watched(BURN);
  await addSamples(bad, [
    [0, 100, 0],
    [5, 100, 0],
    [10, 100, 40],
    [15, 100, 40],
    [20, 100, 40],
  ]);
  expect(await look(promotion)).toMatchObject({
    kind: 'alarm',
    reason: { code: 'watch-burn-rate', message: expect.stringContaining('of 400 requests failed') },
  });
});

test('nobody counts, or a provider is not there: no alarm and no all-clear, and it sees again', async () => {
  const promotion = await watched(BURN);
  await addSamples(good, [[0, 100, 100]]);
  await addSamples(bad, [
    [25, 100, 0],
    [30, 100, 0],
    [45, 100, 0],
    [55, 100, 0],
  ]);
  expect(await look(promotion)).toEqual({ kind: 'over' });
  expect(await eventsOf(promotion)).toEqual(['watch.opened', 'watch.blinded', 'watch.sighted']);
  expect(await close(promotion, { kind: 'over' })).toMatchObject({
    state: 'held',
    reason: { code: 'watch-blind', message: 'Nobody could see for 20 of 60 s (6 looks).' },
  });
  const source = { kind: 'provider', provider: 'prom', errors: 'e', total: 't' } as const;
  const unknown = await watched({
    ...BURN,
    burnRate: BURN.burnRate && { ...BURN.burnRate, source },
  });
  expect(await look(unknown)).toEqual({ kind: 'over' });
  expect((await watchOf(unknown))?.blind?.code).toBe('analysis-provider-unknown');
});

test('another attempt goes on from the records, and what nobody watched is unseen', async () => {
  const promotion = await watched({ ...PROBES, probes: { failures: 3 } });
  status = 500;
  await expect(look(promotion, { dieAtLook: 3 })).rejects.toThrow();
  expect(await watchOf(promotion)).toMatchObject({
    rounds: 2,
    progress: { failing: { 'dev-1': 2 } },
  });
  clock = SINCE + 50_000;
  expect(await look(promotion)).toMatchObject({ kind: 'alarm' });
  expect(await watchOf(promotion)).toMatchObject({ rounds: 3, blindSeconds: 20 });
});

test('a shift ends, and the next one goes on', async () => {
  const promotion = await watched(PROBES);
  expect(await look(promotion, { shiftSeconds: 25 })).toEqual({ kind: 'again' });
  expect((await watchOf(promotion))?.rounds).toBe(2);
  expect(await look(promotion)).toEqual({ kind: 'over' });
  expect((await watchOf(promotion))?.rounds).toBe(6);
});

/** A promotion of the bad release that succeeded in an environment that asks for this watch. */
async function watched(rules: WatchRules): Promise<PromotionRecord> {
  await setRules(rules);
  const promotion = await scene.addPromotion(bad);
  await succeed(promotion, SINCE);
  await inTenant((tx) => openWatch(tx, promotion, new Date(SINCE).toISOString()));
  expect(await startsOf('watchRelease')).toContain(`watch/acme/${promotion.promotionId}`);
  return promotion;
}

async function succeed({ promotionId, releaseDigest }: PromotionRecord, at = SINCE - 60_000) {
  await inTenant(async (tx) => {
    await confirmDeployment(tx, promotionId, 'dev-1');
    await setPromotionState(tx, { promotionId, state: 'running' });
    const endedAt = new Date(at).toISOString();
    await setPromotionState(tx, { promotionId, state: 'succeeded', endedAt });
    const side = { release: releaseDigest, components: [], settings: {} };
    await setCurrentReleases(tx, promotionId, [{ target: 'dev-1', side }]);
  });
}

function inputOf({ promotionId }: PromotionRecord): WatchReleaseInput {
  return {
    promotion: { tenantId: SCENE_TENANT, promotionId },
    environment: 'dev',
    until: new Date(SINCE + 60_000).toISOString(),
    traceparent: SCENE_TRACEPARENT,
  };
}

/** Waiting takes no time; the clock goes on by it. */
function look(
  promotion: PromotionRecord,
  how: { readonly shiftSeconds?: number; readonly dieAtLook?: number } = {},
): Promise<WatchEnd> {
  const dying = new AbortController();
  let waits = 0;
  const parts = {
    pool: scene.worker,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope({ cancellation: dying.signal }),
    outbound: localClients(),
    now: () => clock,
  };
  const { lookAtRelease } = createLookActivities(parts, {
    ...(how.shiftSeconds === undefined ? {} : { shiftSeconds: how.shiftSeconds }),
    wait: async (ms) => {
      clock += Math.max(0, ms);
      waits += 1;
      if (waits === how.dieAtLook) dying.abort(new Error('killed'));
    },
  });
  return lookAtRelease(inputOf(promotion));
}

function close(promotion: PromotionRecord, end: WatchEnd): Promise<WatchResult> {
  if (end.kind === 'again') throw new Error('It goes on.');
  const logger = createLogger({ service: 'test', level: 'silent' });
  const parts = { pool: scene.worker, logger, scope: () => createFakeScope() };
  return createCloseActivities(parts).closeWatch({ ...inputOf(promotion), end });
}

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
  withTenant(scene.worker, SCENE_TENANT, work);

const watchOf = ({ promotionId }: Pick<PromotionRecord, 'promotionId'>) =>
  inTenant((tx) => findWatch(tx, promotionId));

async function setRules(rules: WatchRules): Promise<void> {
  await scene.database.query(
    `update sluice.environments set watch = $1 where environment_id = 'dev'`,
    [JSON.stringify(rules)],
  );
}

/** What the agent of dev-1 counted in five seconds each: from when, requests, errors. */
async function addSamples(
  release: string,
  counts: readonly (readonly [number, number, number])[],
): Promise<void> {
  await scene.database.query('delete from sluice.probe_samples where active_release = $1', [
    release,
  ]);
  const samples = counts.map(([seconds, requests, errors]) => ({
    sampledAt: new Date(SINCE + seconds * 1000 + (release === good ? 1 : 0)).toISOString(),
    seconds: 5,
    requests,
    errors,
    p50Ms: 1,
    p90Ms: 1,
    p99Ms: 1,
    activeRelease: release,
  }));
  await withTenant(scene.app, SCENE_TENANT, (tx) => insertProbeSamples(tx, 'dev-1', samples));
}

async function eventsOf({ promotionId }: PromotionRecord): Promise<readonly string[]> {
  const rows = await scene.database.query<{ type: string }>(
    `select type from sluice.events where promotion_id = $1 and type like 'watch.%' order by arrival`,
    [promotionId],
  );
  return rows.map(({ type }) => type);
}

async function startsOf(workflowType: string): Promise<readonly string[]> {
  const rows = await scene.database.query<{ id: string }>(
    `select workflow_id as id from sluice.outbox where body ->> 'workflowType' = $1 order by outbox_id`,
    [workflowType],
  );
  return rows.map(({ id }) => id);
}
