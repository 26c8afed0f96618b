import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Pool } from '../pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { listUnready } from './lease.read-model.ts';
import { enterQueue, preemptLease, releaseLease, takeLease } from './lease.repository.ts';
import { claimOutbox, enqueueOutbox, settleOutbox } from './outbox.repository.ts';
import { insertPromotion, markSuperseded, setPromotionState } from './promotion.repository.ts';
import { listLeasesOfEnded, listOpenPromotions } from './watchdog.read-model.ts';

let database: TestDatabase;
let app: Pool;
let worker: Pool;
let watchdog: Pool;
const digests: Record<string, string> = {};
const resource = 'environment:dev';

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  watchdog = database.poolOf('sluice_watchdog');
  for (const tenant of ['acme', 'other']) {
    digests[tenant] = (await createScene(database, tenant)).releaseDigest;
  }
});

afterAll(() => database.drop());

const work = <T>(tenant: string, does: (tx: Tx) => Promise<T>) => withTenant(worker, tenant, does);

async function promote(tenant: string): Promise<string> {
  const { promotionId } = await withTenant(app, tenant, (tx) =>
    insertPromotion(tx, {
      environment: 'dev',
      releaseDigest: digests[tenant] ?? '',
      kind: 'promote',
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: [],
    }),
  );
  return promotionId;
}

const end = (tenant: string, promotionId: string) =>
  work(tenant, (tx) => setPromotionState(tx, { promotionId, state: 'cancelled' }));

const openOnes = async (olderThanSeconds = 0) =>
  (await listOpenPromotions(watchdog, { olderThanSeconds, limit: 100 })).map(
    ({ tenantId, promotionId, startPending }) => [tenantId, promotionId, startPending],
  );

test('open promotions of all tenants are seen, with whether they are still to be started', async () => {
  expect(await openOnes()).toEqual([
    ['acme', 'dev/1', false],
    ['other', 'dev/1', false],
  ]);
  expect(await openOnes(60)).toEqual([]);
  const [first] = await listOpenPromotions(watchdog, { olderThanSeconds: 0, limit: 1 });
  expect(first).toMatchObject({
    environment: 'dev',
    releaseDigest: digests['acme'],
    kind: 'promote',
    state: 'requested',
    supersededBy: null,
    traceparent: expect.stringMatching(/^00-/),
  });
  const next = await listOpenPromotions(watchdog, { olderThanSeconds: 0, limit: 1, after: first });
  expect(next).toMatchObject([{ tenantId: 'other', promotionId: 'dev/1' }]);

  const start = (kind: 'promotion' | 'settlement', tenant: string) =>
    withTenant(app, tenant, (tx) =>
      enqueueOutbox(tx, {
        kind: 'start-workflow',
        body: {
          workflowId: `${kind}/${tenant}/dev/1`,
          workflowType: 'x',
          taskQueue: 'q',
          input: {},
          searchAttributes: { tenant },
        },
      }),
    );
  await start('promotion', 'acme');
  await start('settlement', 'other');
  expect(await openOnes()).toEqual([
    ['acme', 'dev/1', true],
    ['other', 'dev/1', true],
  ]);
  const relay = database.poolOf('sluice_relay');
  for (const message of await claimOutbox(relay)) await settleOutbox(relay, message);
  expect(await openOnes()).toEqual([
    ['acme', 'dev/1', false],
    ['other', 'dev/1', false],
  ]);
  await end('other', 'dev/1');
  expect(await openOnes()).toEqual([['acme', 'dev/1', false]]);
});

test('leases and places of promotions that have ended are seen, until they are given back', async () => {
  const [holder, waiter, alive] = await Promise.all([1, 2, 3].map(() => promote('acme')));
  await work('acme', async (tx) => {
    await takeLease(tx, { resource, holder: `promotion:${holder}` });
    await takeLease(tx, { resource, holder: `promotion:${alive}` });
    await enterQueue(tx, { resource, holder: `promotion:${waiter}` });
  });
  expect(await listLeasesOfEnded(watchdog, { limit: 10 })).toEqual([]);
  await end('acme', holder ?? '');
  await end('acme', waiter ?? '');
  const dead = [holder, waiter].map((promotionId) => ({ tenantId: 'acme', resource, promotionId }));
  const seen = await listLeasesOfEnded(watchdog, { limit: 10 });
  expect(seen).toHaveLength(2);
  expect(seen).toEqual(expect.arrayContaining(dead));
  expect(await listLeasesOfEnded(watchdog, { limit: 1 })).toHaveLength(1);
  for (const { promotionId } of seen) {
    await work('acme', (tx) => releaseLease(tx, { resource, holder: `promotion:${promotionId}` }));
  }
  expect(await listLeasesOfEnded(watchdog, { limit: 10 })).toEqual([]);
});

test('the watchdog sees no more than that, and writes nothing', async () => {
  await end('acme', await promote('acme'));
  const { rows } = await watchdog.query(
    `select promotion_id from sluice.promotions where ended_at is not null`,
  );
  expect(rows).toEqual([]);
  const denied = [
    'select rules from sluice.promotions',
    'select requested_by from sluice.promotions',
    'select body from sluice.outbox',
    'select * from sluice.events',
    'select * from sluice.principals',
    'select * from sluice.principal_tokens',
    'select * from sluice.approvals',
    `update sluice.promotions set state = 'failed'`,
    'update sluice.leases set holder = null',
    'delete from sluice.lease_queue',
    `insert into sluice.outbox (tenant_id, kind, body) values ('acme', 'start-workflow', '{}')`,
  ];
  for (const sql of denied) {
    await expect(watchdog.query(sql)).rejects.toMatchObject({ code: '42501' });
  }
});

test('what has ended gets no lease, and what lost it to a rollback waits in vain', async () => {
  const [ended, old, rollback] = await Promise.all([1, 2, 3].map(() => promote('other')));
  const claim = (promotionId: string | undefined) => ({
    resource,
    holder: `promotion:${promotionId}`,
  });
  await end('other', ended ?? '');
  for (const call of [takeLease, preemptLease]) {
    await expect(
      work('other', (tx) => call(tx, claim(ended)) as Promise<unknown>),
    ).rejects.toMatchObject({ code: 'illegal-transition' });
  }
  await work('other', (tx) => takeLease(tx, claim(old)));
  await work('other', async (tx) => {
    expect(await preemptLease(tx, claim(rollback))).toMatchObject({ previous: `promotion:${old}` });
    await markSuperseded(tx, { promotionId: old ?? '', by: rollback ?? '' });
  });
  expect(await work('other', (tx) => takeLease(tx, claim(old)))).toEqual({
    state: 'queued',
    position: 1,
    holder: `promotion:${rollback}`,
  });
  await expect(work('other', (tx) => preemptLease(tx, claim(old)))).rejects.toMatchObject({
    code: 'illegal-transition',
  });
  expect(await work('other', (tx) => listUnready(tx, resource))).toEqual([]);
  expect(await work('other', (tx) => releaseLease(tx, claim(rollback)))).toEqual({
    released: true,
    grantedTo: null,
  });
});
