import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  enqueueOutbox,
  type OutboxRecord,
  type Pool,
  setPacketDigest,
  setPromotionState,
  withTenant,
} from '@sluice/persistence';
import { createScene, createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { promotionWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';
import { abandonPromotion } from './abandon-promotion.ts';
import { type DeliveryParts, deliverMessage } from './deliver-message.ts';
import type { Engine, ResetAnswer } from './engine.ts';

const tenant = 'acme';
let database: TestDatabase;
let worker: Pool;
let promotionId: string;
let answer: ResetAnswer;
let settlement: 'running' | 'unknown';
let resets: number;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant(tenant);
  worker = database.poolOf('sluice_worker');
  promotionId = (await createScene(database, tenant)).promotion.promotionId;
}, 60_000);
beforeEach(async () => {
  answer = { kind: 'reset', runId: 'run-2' };
  settlement = 'unknown';
  resets = 0;
  await database.query(
    `delete from sluice.events where type in ('promotion.reset', 'request.refused')`,
  );
  await database.query('delete from sluice.outbox');
});
afterAll(() => database.drop());

function deliver(): Promise<string | undefined> {
  const engine: Pick<Engine, 'findWorkflowState' | 'resetWorkflow'> = {
    findWorkflowState: async (workflowId) =>
      workflowId === settlementWorkflowId(tenant, promotionId) ? settlement : 'running',
    resetWorkflow: async () => {
      resets += 1;
      return answer;
    },
  };
  const parts = {
    pool: database.poolOf('sluice_relay'),
    workerPool: worker,
    engine: engine as Engine,
    settleActivity: async () => undefined,
  } satisfies DeliveryParts;
  const message: OutboxRecord = {
    tenantId: tenant,
    outboxId: 1,
    attempts: 1,
    createdAt: '',
    kind: 'reset-workflow',
    body: {
      workflowId: promotionWorkflowId(tenant, promotionId),
      runId: 'run-1',
      eventId: 4,
      reason: 'root: the code was wrong',
      requestId: 'request-1',
    },
  };
  return deliverMessage(parts, message);
}

function events(): Promise<readonly unknown[]> {
  return database.query(
    `select type, actor, subject, data, trace_id as "traceId" from sluice.events
      where promotion_id = $1 and type in ('promotion.reset', 'request.refused')`,
    [promotionId],
  );
}

test('a reset is told once, with both runs and the reason, however often it is delivered', async () => {
  expect(await deliver()).toBeUndefined();
  expect(await deliver()).toBeUndefined();
  expect(await events()).toEqual([
    {
      type: 'promotion.reset',
      actor: 'system:relay',
      subject: `promotion:${promotionId}`,
      data: {
        request: 'request-1',
        event: 4,
        run: 'run-1',
        newRun: 'run-2',
        reason: 'root: the code was wrong',
      },
      traceId: 'a'.repeat(32),
    },
  ]);
});

test.each<[string, ResetAnswer]>([
  ['run-superseded', { kind: 'gone' }],
  ['reset-impossible', { kind: 'impossible', message: 'no such event' }],
])('one that the engine does not do is told as refused: %s', async (code, given) => {
  answer = given;
  expect(await deliver()).toContain(code);
  expect(await events()).toMatchObject([
    { type: 'request.refused', data: { refusal: 'reset', code, message: expect.any(String) } },
  ]);
});

test('a settlement that is not started yet keeps from a reset, and a reset on its way from a settlement', async () => {
  const look = async (state: 'closed' | 'running') =>
    abandonPromotion(worker, async () => state, { tenantId: tenant, promotionId });
  const workflowId = promotionWorkflowId(tenant, promotionId);
  const body = { workflowId, runId: 'run-1', eventId: 4, reason: 'r', requestId: 'request-1' };
  await withTenant(worker, tenant, (tx) => enqueueOutbox(tx, { kind: 'reset-workflow', body }));
  expect(await look('closed')).toBe(false);
  await database.query('update sluice.outbox set delivered_at = now()');
  // Delivered after the watchdog looked.
  expect(await look('running')).toBe(false);
  expect(await look('closed')).toBe(true);
  expect(await deliver()).toContain('promotion-settling');
  expect(await look('closed')).toBe(false);
  expect(resets).toBe(0);
  await database.query('update sluice.outbox set delivered_at = now()');
  expect(await deliver()).toBeUndefined();
});

test('deciding on a reset waits for a settlement that is being decided on', async () => {
  let decide = (): void => undefined;
  const decided = new Promise<void>((resolve) => {
    decide = resolve;
  });
  let look = (): void => undefined;
  const looking = new Promise<void>((resolve) => {
    look = resolve;
  });
  const abandoning = abandonPromotion(
    worker,
    async () => {
      look();
      await decided;
      return 'closed';
    },
    { tenantId: tenant, promotionId },
  );
  await looking;
  const delivering = deliver();
  await new Promise((resolve) => setTimeout(resolve, 200));
  decide();
  expect(await abandoning).toBe(true);
  expect(await delivering).toContain('promotion-settling');
  expect(resets).toBe(0);
});

test('a promotion that a settlement ends, or that is sealed, is not reset any more', async () => {
  settlement = 'running';
  expect(await deliver()).toContain('promotion-settling');
  settlement = 'unknown';
  await withTenant(worker, tenant, async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'cancelled' });
    await setPacketDigest(tx, promotionId, `sha256:${'a'.repeat(64)}`);
  });
  expect(await deliver()).toContain('promotion-sealed');
  expect(resets).toBe(0);
});
