import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Pool } from '../pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { findEffect, insertEffect, listEffects } from './effect.repository.ts';
import { storeRules } from './frozen-rules.repository.ts';
import {
  type AskedRollback,
  askedRollbackOf,
  getPromotion,
  insertPromotion,
  markSuperseded,
  requestCancel,
  setPacketDigest,
  setPromotionState,
} from './promotion.repository.ts';
import {
  listPromotions,
  listPromotionsById,
  listPromotionsOfEnvironments,
  listPromotionsOfReleases,
} from './promotion-list.read-model.ts';
import { findStep, listSteps, setStepState } from './promotion-step.repository.ts';

let database: TestDatabase;
let app: Pool;
let worker: Pool;
let releaseDigest: string;
const inApp = <T>(work: (tx: Tx) => Promise<T>) => withTenant(app, 'acme', work);
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);

async function promote(environment = 'dev'): Promise<string> {
  const promotion = await inApp((tx) =>
    insertPromotion(tx, {
      environment,
      releaseDigest,
      kind: 'promote',
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: [
        { id: 'scan', type: 'scan@1' },
        { id: 'gate', type: 'gate@1' },
      ],
    }),
  );
  return promotion.promotionId;
}

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  ({ releaseDigest } = await createScene(database));
});

afterAll(() => database.drop());

test('a promotion gets the next number of its environment, and its steps in order', async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => promote()));
  const numbers = ids.map((id) => Number(id.split('/')[1])).sort((a, b) => a - b);
  expect(new Set(numbers).size).toBe(8);
  expect((numbers[7] ?? 0) - (numbers[0] ?? 0)).toBe(7);
  const promotion = await inApp((tx) => getPromotion(tx, ids[0] ?? ''));
  expect(promotion).toMatchObject({ state: 'requested', environment: 'dev', reason: null });
  expect(promotion.requestedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  const steps = await inApp((tx) => listSteps(tx, ids[0] ?? ''));
  expect(steps.map(({ stepId, ordinal, state }) => [stepId, ordinal, state])).toEqual([
    ['scan', 0, 'pending'],
    ['gate', 1, 'pending'],
  ]);
});

test('a promotion to an unknown environment is not found, and uses no number', async () => {
  await expect(promote('nowhere')).rejects.toMatchObject({ code: 'not-found' });
});

test('states follow the table: staying is no change, a forbidden change is refused', async () => {
  const promotionId = await promote();
  const to = (state: 'queued' | 'running' | 'denied', code?: string) =>
    inWorker((tx) =>
      setPromotionState(tx, {
        promotionId,
        state,
        ...(code === undefined ? {} : { reason: { code, message: 'Because.' } }),
      }),
    );
  expect(await to('queued')).toBe(true);
  expect(await to('queued')).toBe(false);
  expect(await to('running')).toBe(true);
  const { startedAt } = await inWorker((tx) => getPromotion(tx, promotionId));
  expect(startedAt).not.toBeNull();
  expect(await to('queued')).toBe(true);
  expect(await to('running')).toBe(true);
  expect(await to('denied', 'secret-in-image')).toBe(true);
  expect(await inWorker((tx) => getPromotion(tx, promotionId))).toMatchObject({
    state: 'denied',
    startedAt,
    endedAt: expect.any(String),
    reason: { code: 'secret-in-image', message: 'Because.' },
  });
  await expect(to('running')).rejects.toMatchObject({ code: 'illegal-transition' });
  expect(await inApp((tx) => requestCancel(tx, promotionId))).toBe('ended');
});

test('a wish to cancel is noted once', async () => {
  const promotionId = await promote();
  expect(await inApp((tx) => requestCancel(tx, promotionId))).toBe('requested');
  expect(await inApp((tx) => requestCancel(tx, promotionId))).toBe('already-requested');
  await expect(inApp((tx) => requestCancel(tx, 'dev/999'))).rejects.toMatchObject({
    code: 'not-found',
  });
});

test('rules are frozen once, and a packet is named once', async () => {
  const promotionId = await promote();
  expect(await inWorker((tx) => storeRules(tx, promotionId, { a: 1 }))).toEqual({ a: 1 });
  expect(await inWorker((tx) => storeRules(tx, promotionId, { a: 2 }))).toEqual({ a: 1 });
  await inWorker((tx) => setPacketDigest(tx, promotionId, 'sha256:1'));
  await inWorker((tx) => setPacketDigest(tx, promotionId, 'sha256:1'));
  await expect(
    inWorker((tx) => setPacketDigest(tx, promotionId, 'sha256:2')),
  ).rejects.toMatchObject({ code: 'record-conflict' });
});

test('steps keep their first start, merge outputs and refuse what the table does not have', async () => {
  const promotionId = await promote();
  const set = (state: 'running' | 'succeeded' | 'pending', outputs = {}) =>
    inWorker((tx) => setStepState(tx, { promotionId, stepId: 'scan', state, outputs }));
  expect(await set('running')).toBe(true);
  expect(await set('running')).toBe(false);
  expect(await set('succeeded', { sbom: 'sha256:1' })).toBe(true);
  expect(await inWorker((tx) => findStep(tx, promotionId, 'scan'))).toMatchObject({
    state: 'succeeded',
    outputs: { sbom: 'sha256:1' },
    startedAt: expect.any(String),
    endedAt: expect.any(String),
  });
  await expect(set('running')).rejects.toMatchObject({ code: 'illegal-transition' });
});

test('a step that is opened again forgets what it came to', async () => {
  const promotionId = await promote();
  const set = (state: 'running' | 'succeeded' | 'pending', outputs = {}) =>
    inWorker((tx) => setStepState(tx, { promotionId, stepId: 'scan', state, outputs }));
  await set('running');
  await set('succeeded', { plan: 'sha256:1' });
  expect(await set('pending')).toBe(true);
  expect(await inWorker((tx) => findStep(tx, promotionId, 'scan'))).toMatchObject({
    state: 'pending',
    outputs: {},
    reason: null,
    startedAt: null,
    endedAt: null,
  });
  await set('running');
  await set('succeeded', { other: 'sha256:2' });
  expect(await inWorker((tx) => findStep(tx, promotionId, 'scan'))).toMatchObject({
    outputs: { other: 'sha256:2' },
  });
});

test('the first rollback that takes the lease is noted, while the promotion is open', async () => {
  const promotionId = await promote();
  expect(await inWorker((tx) => markSuperseded(tx, { promotionId, by: 'dev/98' }))).toBe(true);
  expect(await inWorker((tx) => markSuperseded(tx, { promotionId, by: 'dev/99' }))).toBe(false);
  expect(await inApp((tx) => getPromotion(tx, promotionId))).toMatchObject({
    supersededBy: 'dev/98',
    requestedPerson: 'release-manager',
  });
  const ended = await promote();
  await inWorker((tx) => setPromotionState(tx, { promotionId: ended, state: 'cancelled' }));
  expect(await inWorker((tx) => markSuperseded(tx, { promotionId: ended, by: 'dev/98' }))).toBe(
    false,
  );
});

test('a rollback says what was asked for, and nothing else does', async () => {
  const asked = { to: 'last-verified', reason: 'it broke' } as const;
  const insert = (kind: 'promote' | 'rollback', rollback?: AskedRollback) =>
    inApp((tx) =>
      insertPromotion(tx, {
        environment: 'dev',
        releaseDigest,
        kind,
        requestedBy: 'release-manager',
        requestedPerson: 'release-manager',
        rollback,
        traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
        steps: [],
      }),
    );
  const { promotionId } = await insert('rollback', asked);
  const rollback = await inWorker((tx) => getPromotion(tx, promotionId));
  expect(rollback).toMatchObject({ rollbackTo: 'last-verified', requestedReason: 'it broke' });
  expect(askedRollbackOf(rollback)).toEqual(asked);
  const promotion = await insert('promote');
  expect(promotion).toMatchObject({ rollbackTo: null, requestedReason: null });
  expect(askedRollbackOf(promotion)).toBeUndefined();
  await expect(insert('rollback')).rejects.toMatchObject({ code: '23514' });
  await expect(insert('promote', asked)).rejects.toMatchObject({ code: '23514' });
  const set = "set requested_reason = 'other' where promotion_id = $1";
  await expect(
    inApp((tx) => tx.query(`update sluice.promotions ${set}`, [promotionId])),
  ).rejects.toMatchObject({ code: '42501' });
});

test('an effect is stored once, also by two at the same time', async () => {
  const promotionId = await promote();
  const record = (result: number) =>
    inWorker((tx) =>
      insertEffect(tx, {
        idempotencyKey: `${promotionId}:scan`,
        promotionId,
        stepId: 'scan',
        result,
      }),
    );
  const answers = await Promise.all([record(1), record(2), record(3)]);
  expect(answers.filter(({ inserted }) => inserted)).toHaveLength(1);
  expect(new Set(answers.map(({ effect }) => effect.result)).size).toBe(1);
  const effects = await inWorker((tx) => listEffects(tx, promotionId, 'scan'));
  expect(effects).toHaveLength(1);
  expect(await inWorker((tx) => findEffect(tx, 'another'))).toBeUndefined();
});

test('pages go through all promotions, newest first, without gap or repetition', async () => {
  for (let n = 0; n < 5; n += 1) await promote('prod');
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listPromotions>> = await inApp((tx) =>
      listPromotions(tx, { first: 4, after }),
    );
    seen.push(...page.edges.map(({ node }) => node.promotionId));
    after = page.hasNextPage ? page.endCursor : null;
  } while (after !== null);
  const [{ count } = { count: 0 }] = await database.query<{ count: number }>(
    'select count(*) from sluice.promotions',
  );
  expect(new Set(seen).size).toBe(count);
  expect(seen).toHaveLength(count);
  const newest = await inApp((tx) => listPromotions(tx, { first: 1 }));
  expect(newest.edges[0]?.node.promotionId).toBe('prod/5');
});

test('one query gives a page per environment and per release', async () => {
  const byEnvironment = await inApp((tx) =>
    listPromotionsOfEnvironments(tx, [{ environment: 'prod' }, { environment: 'nowhere' }], 2),
  );
  expect(byEnvironment.map(({ edges }) => edges.map(({ node }) => node.promotionId))).toEqual([
    ['prod/5', 'prod/4'],
    [],
  ]);
  const after = byEnvironment[0]?.endCursor;
  const next = await inApp((tx) =>
    listPromotionsOfEnvironments(tx, [{ environment: 'prod', after }], 100),
  );
  expect(next[0]?.edges.map(({ node }) => node.number)).toEqual([3, 2, 1]);
  const byRelease = await inApp((tx) => listPromotionsOfReleases(tx, [{ releaseDigest }], 3));
  expect(byRelease[0]?.edges.map(({ node }) => node.number)).toEqual([5, 4, 3]);
  expect(byRelease[0]?.edges[0]?.node).not.toHaveProperty('asked');
  const older = await inApp((tx) =>
    listPromotionsOfReleases(tx, [{ releaseDigest, after: byRelease[0]?.endCursor }], 2),
  );
  expect(older[0]?.edges.map(({ node }) => node.promotionId)).toEqual(['prod/2', 'prod/1']);
  expect(await inApp((tx) => listPromotionsById(tx, ['prod/1', 'x/1']))).toHaveLength(1);
});

test.each([0, 101, 1.5])('a page of %s is refused', async (first) => {
  await expect(inApp((tx) => listPromotions(tx, { first }))).rejects.toMatchObject({
    code: 'page-size-invalid',
  });
});

test.each([
  '',
  'x',
  'bnVsbA',
  'WyIyMDI2LTAxLTAxIiwieCJd',
  Buffer.from('["a\u0000",1]').toString('base64url'),
])('the cursor %j is refused', async (after) => {
  await expect(inApp((tx) => listPromotions(tx, { first: 1, after }))).rejects.toMatchObject({
    code: 'cursor-invalid',
  });
});
