import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  deleteBudgetClaims,
  deleteClaimsOfEnded,
  deleteClaimsOfTarget,
  enrolAgent,
  listBudgetUsage,
  type PromotionRecord,
  setPromotionState,
  withTenant,
} from '@sluice/persistence';
import { generateKeyPair } from '@sluice/signing';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
} from '../testing/promotion-scene.ts';
import { assertBudgetRoom, claimBudgets } from './claim-budgets.ts';

const TARGETS = Array.from({ length: 12 }, (_, index) => `web-${index}`);
let scene: PromotionScene;
let promotions: readonly PromotionRecord[];
beforeAll(async () => {
  scene = await createPromotionScene({
    targets: TARGETS,
    labels: Object.fromEntries(
      TARGETS.map((name, index) => [name, { tier: 'web', zone: index % 2 === 0 ? 'a' : 'b' }]),
    ),
    before: ['staging'],
  });
  const release = await scene.addRelease('1.0.0');
  promotions = [
    await scene.addPromotion(release),
    await scene.addPromotion(release, { environment: 'staging' }),
    await scene.addPromotion(release, { kind: 'rollback' }),
  ];
}, 60_000);
afterAll(() => scene?.database.drop());
beforeEach(async () => {
  await scene.database.query('delete from sluice.budget_claims');
  await scene.database.query('delete from sluice.disruption_budgets');
  await scene.database.query('update sluice.agents set last_heartbeat_at = now()');
});

test('two promotions at once never exceed any budget, and never wait in a circle', async () => {
  await addBudget('tier', { tier: 'web' }, 3);
  await addBudget('all', {}, null, 34);
  await addBudget('zone-a', { zone: 'a' }, 2);
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = generator(seed);
  let granted = 0;
  let waited = 0;
  let most = 0;
  const work = async (promotion: PromotionRecord, target: string): Promise<void> => {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, random(12)));
      const claim = await claimOf(promotion, target);
      if (claim === 'granted') break;
      waited += 1;
    }
    granted += 1;
    most = Math.max(most, await findMostAway());
    await new Promise((resolve) => setTimeout(resolve, random(20)));
    await inTenant((tx) =>
      deleteClaimsOfTarget(tx, { promotionId: promotion.promotionId, target, sequence: 0 }),
    );
  };
  const again = async (target: string, index: number): Promise<void> => {
    for (let round = 0; round < 4; round += 1) {
      await work(must(promotions[(index + round) % 2]), target);
    }
  };
  await Promise.all(TARGETS.map(again));
  const told = { seed, granted, isWithin: most <= 1, waited: waited > 0 };
  expect(told).toEqual({ seed, granted: TARGETS.length * 4, isWithin: true, waited: true });
  expect(await claims()).toEqual([]);
}, 60_000);

test('one that waits is told who holds the budget, and a target is claimed once', async () => {
  await addBudget('web', { tier: 'web' }, 1);
  const [dev, staging] = promotions;
  expect(await claimOf(dev, 'web-1')).toBe('granted');
  expect(await claimOf(dev, 'web-1')).toBe('granted');
  expect(await claims()).toEqual(['web web-1 dev/1']);
  expect(await claimOf(staging, 'web-2')).toContain('web-1 by dev/1');
  expect(await lookOf(staging, 'web-2')).toContain('1 of 12 matching targets are unavailable');
  await inTenant((tx) =>
    deleteClaimsOfTarget(tx, { promotionId: 'dev/1', target: 'web-1', sequence: 0 }),
  );
  expect(await claimOf(staging, 'web-2')).toBe('granted');
});

test('what puts a good version back never waits, and counts', async () => {
  await addBudget('web', { tier: 'web' }, 1);
  const [dev, staging, rollback] = promotions;
  expect(await claimOf(dev, 'web-1')).toBe('granted');
  expect(await claimOf(dev, 'web-2', 'revert')).toBe('granted');
  expect(await claimOf(rollback, 'web-1')).toBe('granted');
  expect(await claimOf(rollback, 'web-3', 'route')).toBe('granted');
  expect(await claims()).toEqual(['web web-1 dev/2', 'web web-2 dev/1']);
  expect(await claimOf(staging, 'web-3')).toContain('2 of 12');
  await inTenant((tx) => deleteBudgetClaims(tx, 'dev/2'));
  expect(await claims()).toEqual(['web web-2 dev/1']);
});

test('a budget of none, and a share that comes to none, refuse at once', async () => {
  await addBudget('zero', { zone: 'b' }, 0);
  await addBudget('share', { zone: 'a' }, null, 16);
  const [dev] = promotions;
  expect(await claimOf(dev, 'web-1')).toContain('zero lets no target be unavailable');
  expect(await claimOf(dev, 'web-2')).toContain('16 % of 6 targets be unavailable, which is none');
  expect(await claims()).toEqual([]);
});

test('a target whose agent is offline is unavailable; one that never had an agent is not', async () => {
  await addBudget('web', { tier: 'web' }, 1);
  const [dev] = promotions;
  await silence('web-3');
  expect(await claimOf(dev, 'web-4')).toContain('web-3 offline');
  // It becomes no more unavailable than it is.
  expect(await claimOf(dev, 'web-3')).toBe('granted');
  await inTenant((tx) => deleteBudgetClaims(tx, 'dev/1'));
  await scene.database.query(`delete from sluice.agents where target_id = 'web-3'`);
  expect(await claimOf(dev, 'web-4')).toBe('granted');
  const { keyId, publicKey } = generateKeyPair();
  await withTenant(scene.app, SCENE_TENANT, (tx) =>
    enrolAgent(tx, { target: 'web-3', keyId, publicKey, version: '0.1.0' }),
  );
});

test('a budget that is removed while it is claimed holds nobody, and counts again when it is back', async () => {
  await addBudget('web', { tier: 'web' }, 1);
  const [dev, staging] = promotions;
  expect(await claimOf(dev, 'web-1')).toBe('granted');
  await scene.database.query('update sluice.disruption_budgets set removed_at = now()');
  expect(await claimOf(staging, 'web-2')).toBe('granted');
  await scene.database.query('update sluice.disruption_budgets set removed_at = null');
  expect(await claimOf(staging, 'web-3')).toContain('web-1 by dev/1');
});

test('a selector that matches nothing, and one that no longer matches, bar nobody', async () => {
  await addBudget('none', { tier: 'db' }, 0);
  await addBudget('web', { zone: 'a' }, 1);
  const [dev] = promotions;
  expect(await claimOf(dev, 'web-0')).toBe('granted');
  expect(await claimOf(dev, 'web-1')).toBe('granted');
  await scene.database.query(
    `update sluice.disruption_budgets set selector = '{"zone": "b"}' where budget_id = 'web'`,
  );
  expect(await claimOf(dev, 'web-3')).toBe('granted');
  const usage = await inTenant(listBudgetUsage);
  expect(
    usage.map(({ budget, matching, unavailable, holders }) => [
      budget.name,
      matching,
      unavailable,
      holders,
    ]),
  ).toEqual([
    ['none', 0, 0, []],
    ['web', 6, 1, [{ target: 'web-3', promotionId: 'dev/1' }]],
  ]);
});

test('claims of a promotion that has ended are found and removed', async () => {
  await addBudget('web', { tier: 'web' }, 2);
  const late = await scene.addPromotion(must(promotions[0]).releaseDigest);
  expect(await claimOf(late, 'web-1')).toBe('granted');
  expect(await inTenant(deleteClaimsOfEnded)).toBe(0);
  await inTenant((tx) =>
    setPromotionState(tx, { promotionId: late.promotionId, state: 'cancelled' }),
  );
  expect(await inTenant(deleteClaimsOfEnded)).toBe(1);
  expect(await claims()).toEqual([]);
});

const inTenant: <T>(work: Parameters<typeof withTenant<T>>[2]) => Promise<T> = (work) =>
  withTenant(scene.worker, SCENE_TENANT, work);

/** `granted`, or what the budget says. */
function claimOf(
  promotion: PromotionRecord | undefined,
  target: string,
  kind: 'deploy' | 'revert' | 'route' = 'deploy',
): Promise<string> {
  const order = { promotion: must(promotion), target, kind };
  return answer(inTenant((tx) => claimBudgets(tx, order)));
}

function lookOf(promotion: PromotionRecord | undefined, target: string): Promise<string> {
  const order = { promotion: must(promotion), target, kind: 'deploy' as const };
  return answer(inTenant((tx) => assertBudgetRoom(tx, order)));
}

async function answer(claim: Promise<void>): Promise<string> {
  try {
    await claim;
    return 'granted';
  } catch (error) {
    if ((error as { code?: string }).code !== 'budget-barred') throw error;
    return (error as Error).message;
  }
}

/** How far the fullest budget is used; 1 is all of it. */
async function findMostAway(): Promise<number> {
  const usage = await inTenant(listBudgetUsage);
  return Math.max(
    ...usage.map(({ budget, matching, unavailable }) => {
      const limit =
        budget.maxUnavailable ?? Math.floor((matching * (budget.maxUnavailablePercent ?? 0)) / 100);
      return unavailable / limit;
    }),
  );
}

async function claims(): Promise<readonly string[]> {
  const rows = await scene.database.query<{ claim: string }>(
    `select budget_id || ' ' || target_id || ' ' || promotion_id as claim from sluice.budget_claims order by 1`,
  );
  return rows.map(({ claim }) => claim);
}

async function addBudget(
  name: string,
  selector: object,
  max: number | null,
  percent: number | null = null,
): Promise<void> {
  await scene.database.query(
    `insert into sluice.disruption_budgets (tenant_id, budget_id, selector, max_unavailable, max_unavailable_percent)
     values ($1, $2, $3, $4, $5)`,
    [SCENE_TENANT, name, JSON.stringify(selector), max, percent],
  );
}

async function silence(target: string): Promise<void> {
  await scene.database.query(
    `update sluice.agents set last_heartbeat_at = now() - interval '2 minutes' where target_id = $1`,
    [target],
  );
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('There is none.');
  return value;
}

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}
