import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Pool } from '../pool.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { withTenant } from '../transaction.ts';
import {
  claimOutbox,
  deferOutbox,
  enqueueOutbox,
  readOutboxBacklog,
  settleOutbox,
} from './outbox.repository.ts';

let database: TestDatabase;
let app: Pool;
let relay: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant('acme');
  await database.addTenant('other');
  app = database.poolOf('sluice_app');
  relay = database.poolOf('sluice_relay');
});

beforeEach(() => database.query('delete from sluice.outbox'));

afterAll(() => database.drop());

const enqueue = (tenantId: string, signal: string) =>
  withTenant(app, tenantId, (tx) =>
    enqueueOutbox(tx, { kind: 'signal-workflow', body: { workflowId: 'w', signal, input: null } }),
  );

test('the relay claims messages of all tenants, and each is delivered once', async () => {
  await enqueue('acme', 'a');
  await enqueue('other', 'b');
  const claimed = await claimOutbox(relay);
  expect(claimed.map(({ tenantId, attempts, kind }) => [tenantId, attempts, kind])).toEqual([
    ['acme', 1, 'signal-workflow'],
    ['other', 1, 'signal-workflow'],
  ]);
  expect(await claimOutbox(relay)).toEqual([]);
  for (const message of claimed) expect(await settleOutbox(relay, message)).toBe(true);
  for (const message of claimed) expect(await settleOutbox(relay, message)).toBe(false);
  expect(await readOutboxBacklog(relay)).toMatchObject({ pending: 0, nextDueMs: null });
});

test('relays at the same time get different messages', async () => {
  for (let n = 0; n < 30; n += 1) await enqueue('acme', `${n}`);
  const claims = await Promise.all([1, 2, 3].map(() => claimOutbox(relay, { limit: 10 })));
  const ids = claims.flat().map(({ outboxId }) => outboxId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBe(30);
});

test('what is rolled back is never claimed', async () => {
  await expect(
    withTenant(app, 'acme', async (tx) => {
      await enqueueOutbox(tx, {
        kind: 'signal-workflow',
        body: { workflowId: 'w', signal: 's', input: 1 },
      });
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await claimOutbox(relay)).toEqual([]);
});

test('a claim that nobody settles comes again, and a failure is put off for longer each time', async () => {
  await enqueue('acme', 'a');
  const [first] = await claimOutbox(relay);
  if (first === undefined) throw new Error('nothing was claimed');
  const dueIn = async () => (await readOutboxBacklog(relay)).nextDueMs ?? 0;
  expect(await dueIn()).toBeGreaterThan(25_000);
  await deferOutbox(relay, first, 'engine\u0000 is down');
  expect(await dueIn()).toBeLessThanOrEqual(260);
  await database.query('update sluice.outbox set attempts = 5');
  await deferOutbox(relay, first, 'again');
  expect(await dueIn()).toBeGreaterThan(1_500);
  await database.query('update sluice.outbox set attempts = 5000');
  await deferOutbox(relay, first, 'again');
  expect(await dueIn()).toBeLessThanOrEqual(30_000);
  await database.query('update sluice.outbox set next_attempt_at = now()');
  expect(await claimOutbox(relay)).toMatchObject([{ outboxId: first.outboxId, attempts: 5001 }]);
  expect((await readOutboxBacklog(relay)).pending).toBe(1);
});

test('the relay can neither write a message nor change what one says', async () => {
  await enqueue('acme', 'a');
  for (const sql of [
    `update sluice.outbox set body = '{}'`,
    `insert into sluice.outbox (tenant_id, kind, body) values ('acme', 'signal-workflow', '{}')`,
    'delete from sluice.outbox',
    'select * from sluice.promotions',
  ]) {
    await expect(relay.query(sql)).rejects.toMatchObject({ code: '42501' });
  }
});

test('a message with a delay is not due before, and says when it will be', async () => {
  await withTenant(app, 'acme', (tx) =>
    enqueueOutbox(
      tx,
      { kind: 'terminate-workflow', body: { workflowId: 'w', reason: 'Superseded.' } },
      { delaySeconds: 10 },
    ),
  );
  expect(await claimOutbox(relay)).toEqual([]);
  const { nextDueMs } = await readOutboxBacklog(relay);
  expect(nextDueMs).toBeGreaterThan(8_000);
  expect(nextDueMs).toBeLessThanOrEqual(10_000);
  await database.query(`update sluice.outbox set next_attempt_at = now()`);
  expect(await claimOutbox(relay)).toMatchObject([
    { kind: 'terminate-workflow', body: { workflowId: 'w', reason: 'Superseded.' } },
  ]);
});
