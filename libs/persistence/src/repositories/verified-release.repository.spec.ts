import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  composePlan,
  composePlanSet,
  NOTHING_RELEASE,
  type PlanSide,
  type PromotionState,
} from '@sluice/domain';
import { digestOfBytes, releaseDigest as digestOfRelease } from '@sluice/pure';
import type { Pool } from '../pool.ts';
import {
  confirmDeployment,
  createScene,
  createTestDatabase,
  sceneRelease,
  type TestDatabase,
} from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import {
  type DeploymentState,
  findDeployment,
  setDeploymentState,
  upsertDeployment,
} from './deployment.repository.ts';
import { storeRules } from './frozen-rules.repository.ts';
import {
  findPlanSet,
  insertPlan,
  insertPlanSet,
  listPlanSetsOf,
  listPlansByDigest,
} from './plan.repository.ts';
import { insertPromotion, setPromotionState } from './promotion.repository.ts';
import { insertRelease } from './release.repository.ts';
import { findKnownSide, findVerifiedSide } from './target-side.repository.ts';
import { hasSucceeded, isVerified, listVerifiedReleases } from './verified-release.repository.ts';

let database: TestDatabase;
let app: Pool;
let worker: Pool;
const target = 'dev-host-1';
const environment = 'dev';
const digests: Record<string, string> = {};
const inApp = <T>(work: (tx: Tx) => Promise<T>) => withTenant(app, 'acme', work);
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);
const release = (name: string): string => digests[name] ?? '';

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  await createScene(database);
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
    const stored = await inWorker((tx) =>
      insertRelease(tx, { release: sceneRelease(version), createdBy: 'release-manager' }),
    );
    if (stored.ok) digests[version] = stored.value.releaseDigest;
  }
});

beforeEach(async () => {
  await database.query('delete from sluice.deployments');
  await database.query('delete from sluice.plan_sets');
  await database.query('delete from sluice.promotion_steps');
  await database.query('delete from sluice.promotions');
});

afterAll(() => database.drop());

let clock = Date.now();

/** A promotion that went this way; an end state is reached a second after the end of the one before. */
async function promoted(
  releaseDigest: string,
  states: readonly PromotionState[],
  kind: 'promote' | 'rollback' = 'promote',
  isDeployed = states.includes('succeeded'),
): Promise<string> {
  const { promotionId } = await inApp((tx) =>
    insertPromotion(tx, {
      environment,
      releaseDigest,
      kind,
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      rollback: kind === 'rollback' ? { to: 'nothing', reason: 'it broke' } : undefined,
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: [],
    }),
  );
  clock += 1000;
  if (isDeployed) await inWorker((tx) => confirmDeployment(tx, promotionId, target));
  for (const state of states) {
    const endedAt = new Date(clock).toISOString();
    await inWorker((tx) => setPromotionState(tx, { promotionId, state, endedAt }));
  }
  return promotionId;
}

const verified = (name: string, where = environment) =>
  inApp((tx) => isVerified(tx, { environment: where, releaseDigest: release(name) }));
const succeeded = (name: string) =>
  inApp((tx) => hasSucceeded(tx, { environment, releaseDigest: release(name) }));
const list = async (limit = 10) =>
  (await inApp((tx) => listVerifiedReleases(tx, { environment, limit }))).map(({ releaseDigest }) =>
    Object.keys(digests).find((name) => release(name) === releaseDigest),
  );

test('a release is verified where the newest promotion of it that tells something succeeded', async () => {
  expect(await verified('1.0.0')).toBe(false);
  await promoted(release('1.0.0'), ['running', 'succeeded']);
  expect(await verified('1.0.0')).toBe(true);
  expect(await verified('1.0.0', 'prod')).toBe(false);
  expect(await verified('1.1.0')).toBe(false);
  // None of these says anything of the release.
  await promoted(release('1.0.0'), ['running', 'denied']);
  await promoted(release('1.0.0'), ['cancelled']);
  await promoted(release('1.0.0'), ['running']);
  expect(await verified('1.0.0')).toBe(true);
  for (const state of ['failed', 'reverted'] as const) {
    await promoted(release('1.0.0'), ['running', state]);
    expect(await verified('1.0.0')).toBe(false);
    expect(await succeeded('1.0.0')).toBe(true);
    await promoted(release('1.0.0'), ['running', 'succeeded'], 'rollback');
    expect(await verified('1.0.0')).toBe(true);
  }
  await promoted(release('1.1.0'), ['running', 'failed']);
  expect(await succeeded('1.1.0')).toBe(false);
});

test.each<[string, readonly string[], DeploymentState | null]>([
  ['deployed nothing', [target], null],
  ['was not confirmed on its target', [target], 'lost'],
  ['was put back', [target], 'reverted'],
  ['left a target out', [target, 'dev-host-2'], 'confirmed'],
  ['had no targets', [], 'confirmed'],
])(
  'a success that %s is no verification, and ends an earlier one',
  async (_what, targets, state) => {
    await promoted(release('1.0.0'), ['running', 'succeeded']);
    const end = async (name: string) => {
      const id = await promoted(release(name), ['running', 'succeeded'], 'promote', false);
      await inWorker((tx) => storeRules(tx, id, { targets }));
      if (state !== null) await deployed(id, null, side(name, 'x'), ['dispatched', state]);
    };
    await end('1.1.0');
    expect([await verified('1.1.0'), await succeeded('1.1.0')]).toEqual([false, false]);
    expect(await list()).toEqual(['1.0.0']);
    await end('1.0.0');
    expect([await verified('1.0.0'), await succeeded('1.0.0')]).toEqual([false, true]);
    expect(await list()).toEqual([]);
  },
);

test('verified releases come newest first, each once, without those that failed since', async () => {
  await promoted(release('1.0.0'), ['running', 'succeeded']);
  await promoted(release('1.1.0'), ['running', 'succeeded']);
  await promoted(release('1.2.0'), ['running', 'succeeded']);
  expect(await list()).toEqual(['1.2.0', '1.1.0', '1.0.0']);
  await promoted(release('1.0.0'), ['running', 'succeeded'], 'rollback');
  await promoted(release('1.1.0'), ['running', 'reverted']);
  // A rollback makes none newer.
  expect(await list()).toEqual(['1.2.0', '1.0.0']);
  expect(await list(1)).toEqual(['1.2.0']);
});

test('an emptied target is no verified release, and the API can make that one alone', async () => {
  const nothing = await inApp((tx) =>
    insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'admin' }),
  );
  const again = await inApp((tx) =>
    insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'admin' }),
  );
  const releaseDigest = digestOfRelease(NOTHING_RELEASE);
  expect([nothing, again]).toEqual([
    { ok: true, value: { releaseDigest, created: true } },
    { ok: true, value: { releaseDigest, created: false } },
  ]);
  for (const other of [sceneRelease('9.0.0'), { ...NOTHING_RELEASE, version: '1' }]) {
    await expect(
      inApp((tx) => insertRelease(tx, { release: other, createdBy: 'admin' })),
    ).rejects.toMatchObject({ code: '42501' });
  }
  await promoted(release('1.0.0'), ['running', 'succeeded']);
  await promoted(releaseDigest, ['running', 'succeeded'], 'rollback');
  expect(await list()).toEqual(['1.0.0']);
});

const side = (name: string, greeting: string): PlanSide => ({
  release: release(name),
  components: sceneRelease(name).components,
  settings: { GREETING: greeting },
});

async function deployed(
  promotionId: string,
  current: PlanSide | null,
  desired: PlanSide | null,
  states: readonly DeploymentState[],
): Promise<void> {
  await inWorker(async (tx) => {
    const planDigest = await insertPlan(tx, composePlan(target, current, desired));
    await upsertDeployment(tx, { promotionId, target, planDigest });
    for (const state of states) await setDeploymentState(tx, { promotionId, target, state });
  });
}

const verifiedSide = (name: string) =>
  inWorker((tx) => findVerifiedSide(tx, { environment, releaseDigest: release(name), target }));
const knownSide = (name: string) =>
  inWorker((tx) => findKnownSide(tx, { target, releaseDigest: release(name) }));

test('the verified side is the newest success, with the settings of that time', async () => {
  expect(await verifiedSide('1.0.0')).toBeUndefined();
  for (const [greeting, state] of [
    ['first', 'succeeded'],
    ['second', 'succeeded'],
    ['third', 'failed'],
  ] as const) {
    const id = await promoted(release('1.0.0'), ['running', state], 'promote', false);
    await deployed(id, null, side('1.0.0', greeting), ['dispatched', 'confirmed']);
  }
  expect(await verifiedSide('1.0.0')).toEqual(side('1.0.0', 'second'));
  expect(await verifiedSide('1.1.0')).toBeUndefined();
});

test('the known side is the newest one that was there, not one that was only planned', async () => {
  expect(await knownSide('1.0.0')).toBeUndefined();
  const first = await promoted(release('1.0.0'), ['running', 'succeeded'], 'promote', false);
  await deployed(first, null, side('1.0.0', 'first'), ['dispatched', 'confirmed']);
  expect(await knownSide('1.0.0')).toEqual(side('1.0.0', 'first'));
  const planned = await promoted(release('1.0.0'), ['running']);
  await deployed(planned, side('1.0.0', 'first'), side('1.0.0', 'second'), []);
  expect(await knownSide('1.0.0')).toEqual(side('1.0.0', 'first'));
  await inWorker((tx) =>
    setDeploymentState(tx, { promotionId: planned, target, state: 'dispatched' }),
  );
  expect(await knownSide('1.0.0')).toEqual(side('1.0.0', 'second'));
  await inWorker((tx) =>
    setDeploymentState(tx, { promotionId: planned, target, state: 'reverted' }),
  );
  expect(await knownSide('1.0.0')).toEqual(side('1.0.0', 'first'));
  const next = await promoted(release('1.1.0'), ['running']);
  await deployed(next, side('1.0.0', 'found'), side('1.1.0', 'x'), ['dispatched', 'lost']);
  expect(await knownSide('1.0.0')).toEqual(side('1.0.0', 'found'));
  expect(await knownSide('1.1.0')).toEqual(side('1.1.0', 'x'));
});

test('a part that the agent refused is planned again; one that was dispatched stays', async () => {
  const promotionId = await promoted(release('1.0.0'), ['running']);
  const [one, two] = await inWorker(async (tx) => [
    await insertPlan(tx, composePlan(target, null, side('1.0.0', 'one'))),
    await insertPlan(tx, composePlan(target, null, side('1.0.0', 'two'))),
  ]);
  const plan = (planDigest = '') =>
    inWorker((tx) => upsertDeployment(tx, { promotionId, target, planDigest }));
  const set = (state: DeploymentState, failure = { code: 'plan-stale', message: 'No.' }) =>
    inWorker((tx) => setDeploymentState(tx, { promotionId, target, state, failure }));
  await plan(one);
  await set('refused');
  expect(await plan(two)).toMatchObject({
    state: 'planned',
    planDigest: two,
    failure: null,
    settledAt: null,
  });
  await set('dispatched');
  expect(await plan(one)).toMatchObject({ state: 'dispatched', planDigest: two });
  expect(await inApp((tx) => findDeployment(tx, promotionId, target))).toMatchObject({
    planDigest: two,
  });
});

test('each round has one plan set, and the newest is found', async () => {
  const promotionId = await promoted(release('1.0.0'), ['running']);
  const set = (plan: string) =>
    composePlanSet(promotionId, release('1.0.0'), [{ target, plan: digestOfBytes(plan) }]);
  const store = (round: number, plan: string) =>
    inWorker((tx) => insertPlanSet(tx, { promotionId, round, planSet: set(plan) }));
  expect(await inApp((tx) => findPlanSet(tx, promotionId))).toBeUndefined();
  const first = await store(1, 'a');
  expect(await store(1, 'a')).toBe(first);
  await expect(store(1, 'b')).rejects.toMatchObject({ code: 'record-conflict' });
  const second = await store(2, 'b');
  expect(await inApp((tx) => findPlanSet(tx, promotionId))).toMatchObject({
    round: 2,
    digest: second,
    body: set('b'),
  });
  const all = await inApp((tx) => listPlanSetsOf(tx, [promotionId]));
  expect(all.map(({ round, digest }) => [round, digest])).toEqual([
    [1, first],
    [2, second],
  ]);
  const plan = composePlan(target, null, side('1.0.0', 'one'));
  const digest = await inWorker((tx) => insertPlan(tx, plan));
  expect(await inApp((tx) => listPlansByDigest(tx, [digest, digestOfBytes('none')]))).toEqual([
    { digest, body: plan },
  ]);
});
