import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { releaseLeaseOfEnded } from '@sluice/activities';
import { type PromotionState, STANDARD_PIPELINE } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  enqueueOutbox,
  enterQueue,
  findLease,
  insertPromotion,
  markSuperseded,
  type Pool,
  setPromotionState,
  type Tx,
  takeLease,
  withTenant,
} from '@sluice/persistence';
import { createScene, createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { createTemporalClient, parseCodecKeys } from '@sluice/temporal-client';
import {
  promotionWorkflowId,
  settlementWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { applyServerSettings } from '@sluice/temporal-server';
import proto from '@temporalio/proto';
import { createTemporalEngine, type Engine } from './engine.ts';
import { type Relay, startOutboxRelay } from './outbox-relay.ts';
import { startWatchdog } from './watchdog.ts';

const address = process.env['SLUICE_TEST_TEMPORAL_ADDRESS'] ?? '';
const namespace = `watchdog-${randomBytes(4).toString('hex')}`;
const tenant = 'acme';
const logger = createLogger({ service: 'test', level: 'silent' });
const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
let database: TestDatabase;
let app: Pool;
let worker: Pool;
let releaseDigest: string;
let client: Awaited<ReturnType<typeof createTemporalClient>>;
let engine: Engine;
let relays: Relay[];

beforeAll(async () => {
  await applyServerSettings(address, { namespace });
  database = await createTestDatabase();
  await database.addTenant(tenant);
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  const scene = await createScene(database, tenant);
  releaseDigest = scene.releaseDigest;
  await inTenant((tx) =>
    setPromotionState(tx, { promotionId: scene.promotion.promotionId, state: 'cancelled' }),
  );
  const key = { keyId: 'k', key: randomBytes(32).toString('base64') };
  client = await createTemporalClient({
    address,
    namespace,
    codecKeys: parseCodecKeys({ tenants: { [tenant]: key } }),
  });
  engine = createTemporalEngine(client);
}, 60_000);
beforeEach(() => {
  relays = [];
});
afterEach(async () => {
  for (const relay of relays) await relay.stop();
});
afterAll(async () => {
  await client?.connection.close();
  await database?.drop();
});

test('a promotion whose workflow was terminated is settled once, by however many watchdogs', async () => {
  const promotionId = await addPromotion();
  await start(promotionId);
  startRelay();
  startDog();
  startDog();
  await pause(500);
  expect(await listAbandoned(promotionId)).toEqual([]);
  await terminate(promotionWorkflowId(tenant, promotionId));
  await untilSettling(promotionId);
  await pause(500);
  expect(await listAbandoned(promotionId)).toEqual([
    {
      actor: 'system:watchdog',
      data: { state: 'requested', workflow: 'closed', reason: 'promotion-abandoned' },
      traceId: 'a'.repeat(32),
    },
  ]);
  const [settlement, ...others] = await listStarts(promotionId);
  expect(settlement).toMatchObject({
    workflowType: WORKFLOWS.settlePromotion,
    restart: 'after-failure',
    input: {
      promotion: { tenantId: tenant, promotionId },
      environment: 'dev',
      kind: 'promote',
      traceparent,
      reason: { code: 'promotion-abandoned', message: expect.stringContaining('promotion/acme/') },
    },
  });
  // Two that looked at the same moment may both have asked; one run came of it.
  expect(others.length).toBeLessThan(2);
}, 60_000);

test('a workflow that failed, as when it could not be sealed, is settled; a settlement that failed starts again', async () => {
  const promotionId = await addPromotion();
  const workflowId = await start(promotionId, 'queue-of-the-failing');
  await failOnce('queue-of-the-failing', 'SealingFailed');
  expect(await engine.findWorkflowState(workflowId)).toBe('closed');
  startRelay();
  startDog();
  const settlementId = settlementWorkflowId(tenant, promotionId);
  await untilSettling(promotionId);
  const { runId } = await client.workflow.getHandle(settlementId).describe();
  await terminate(settlementId);
  await until(
    async () => (await client.workflow.getHandle(settlementId).describe()).runId !== runId,
  );
  expect(await engine.findWorkflowState(settlementId)).toBe('running');
  expect(await listAbandoned(promotionId)).toHaveLength(1);
}, 60_000);

test('an unknown workflow whose start is on its way is left alone; one that nobody starts is not', async () => {
  const waiting = await addPromotion();
  const forgotten = await addPromotion();
  const young = await addPromotion({ young: true });
  await requestStart(waiting);
  startDog();
  await until(async () => (await listAbandoned(forgotten)).length === 1);
  await pause(300);
  expect(await listAbandoned(waiting)).toEqual([]);
  expect(await listAbandoned(young)).toEqual([]);
  startRelay();
  await untilSettling(forgotten);
  await until(async () => {
    const workflowId = promotionWorkflowId(tenant, waiting);
    return (await engine.findWorkflowState(workflowId)) === 'running';
  });
  await pause(300);
  expect(await listAbandoned(waiting)).toEqual([]);
  await end(young, 'cancelled');
}, 60_000);

test('one that a rollback superseded is settled as such; one that has ended is not', async () => {
  const superseded = await addPromotion();
  const ended = await addPromotion();
  await end(ended, 'cancelled');
  await inTenant((tx) => markSuperseded(tx, { promotionId: superseded, by: 'dev/99' }));
  startDog();
  await until(async () => (await listStarts(superseded)).length > 0);
  expect(await listStarts(superseded)).toMatchObject([
    { input: { reason: { code: 'superseded', message: expect.stringContaining('dev/99') } } },
  ]);
  expect(await listAbandoned(ended)).toEqual([]);
}, 60_000);

test('a lease that an ended promotion holds goes to the next, but never while its workflow runs', async () => {
  const resource = 'environment:dev';
  const holder = await addPromotion();
  const next = await addPromotion();
  const early = await addPromotion();
  const claim = (promotionId: string) => ({ resource, holder: `promotion:${promotionId}` });
  await inTenant((tx) => enterQueue(tx, claim(early)));
  await inTenant((tx) => takeLease(tx, claim(holder)));
  await inTenant((tx) => takeLease(tx, claim(next)));
  const workflowId = await start(holder);
  for (const promotionId of [next, early]) await start(promotionId);
  await end(holder, 'running');
  await end(holder, 'succeeded');
  startDog();
  await pause(500);
  expect(await holderOf(resource)).toBe(`promotion:${holder}`);
  await terminate(workflowId);
  await until(async () => (await holderOf(resource)) === `promotion:${next}`);
  const signals = await database.query(
    `select body->>'workflowId' as "workflowId", body->>'signal' as signal from sluice.outbox
      where kind = 'signal-workflow' order by outbox_id`,
  );
  expect(signals).toEqual([
    { workflowId: promotionWorkflowId(tenant, next), signal: 'leaseGranted' },
    { workflowId: promotionWorkflowId(tenant, early), signal: 'targetsChanged' },
  ]);
}, 60_000);

test('an engine that does not answer settles nothing', async () => {
  const promotionId = await addPromotion();
  let looks = 0;
  const dog = startWatchdog({
    pool: database.poolOf('sluice_watchdog'),
    workerPool: worker,
    engine: {
      findWorkflowState: async () => {
        looks += 1;
        throw new Error('14 UNAVAILABLE');
      },
    },
    releaseLeaseOfEnded: async () => true,
    logger,
    periodSeconds: 0.05,
  });
  await until(async () => looks > 1);
  await dog.stop();
  expect(await listAbandoned(promotionId)).toEqual([]);
  await end(promotionId, 'cancelled');
});

test('one promotion that cannot be looked at holds up no other, and no lease', async () => {
  const resource = 'environment:prod';
  const [odd, abandoned, ended] = [
    await addPromotion(),
    await addPromotion(),
    await addPromotion(),
  ];
  await inTenant((tx) => takeLease(tx, { resource, holder: `promotion:${ended}` }));
  await end(ended, 'cancelled');
  const dog = startWatchdog({
    pool: database.poolOf('sluice_watchdog'),
    workerPool: worker,
    engine: {
      findWorkflowState: async (workflowId) => {
        if (workflowId === promotionWorkflowId(tenant, odd)) throw new Error('odd');
        return engine.findWorkflowState(workflowId);
      },
    },
    releaseLeaseOfEnded: (held) => releaseLeaseOfEnded(worker, held),
    logger,
    periodSeconds: 0.05,
  });
  await until(async () => (await listAbandoned(abandoned)).length === 1);
  await until(async () => (await holderOf(resource)) === null);
  await dog.stop();
  for (const promotionId of [odd, abandoned]) await end(promotionId, 'cancelled');
});

function startDog(): void {
  relays.push(
    startWatchdog({
      pool: database.poolOf('sluice_watchdog'),
      workerPool: worker,
      engine,
      releaseLeaseOfEnded: (ended) => releaseLeaseOfEnded(worker, ended),
      logger,
      periodSeconds: 0.05,
    }),
  );
}

function startRelay(): void {
  relays.push(
    startOutboxRelay({
      pool: database.poolOf('sluice_relay'),
      workerPool: database.poolOf('sluice_worker'),
      connectionString: database.urlOf('sluice_relay'),
      engine,
      settleActivity: async () => undefined,
      logger,
    }),
  );
}

function inTenant<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return withTenant(worker, tenant, work);
}

async function addPromotion({ young = false } = {}): Promise<string> {
  const { promotionId } = await withTenant(app, tenant, (tx) =>
    insertPromotion(tx, {
      environment: 'dev',
      releaseDigest,
      kind: 'promote',
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      traceparent,
      steps: STANDARD_PIPELINE.steps,
    }),
  );
  if (!young) {
    await database.query(
      `update sluice.promotions set requested_at = now() - interval '1 minute' where promotion_id = $1`,
      [promotionId],
    );
  }
  return promotionId;
}

function end(promotionId: string, state: PromotionState): Promise<unknown> {
  return inTenant((tx) => setPromotionState(tx, { promotionId, state }));
}

function startBody(promotionId: string, taskQueue: string = TASK_QUEUES.control) {
  return {
    workflowId: promotionWorkflowId(tenant, promotionId),
    workflowType: WORKFLOWS.promoteRelease,
    taskQueue,
    input: {},
    searchAttributes: { tenant },
  };
}

/** Starts the promotion's workflow, which nobody works on: it runs. */
async function start(promotionId: string, taskQueue?: string): Promise<string> {
  const body = startBody(promotionId, taskQueue);
  expect(await engine.startWorkflow(body)).toBe('started');
  return body.workflowId;
}

async function requestStart(promotionId: string): Promise<void> {
  await withTenant(app, tenant, (tx) =>
    enqueueOutbox(tx, { kind: 'start-workflow', body: startBody(promotionId) }),
  );
}

async function terminate(workflowId: string): Promise<void> {
  expect(await engine.terminateWorkflow(workflowId, 'a test')).toBe('terminated');
}

/** Answers one workflow task as a worker does whose workflow throws. */
async function failOnce(taskQueue: string, type: string): Promise<void> {
  const { workflowService } = client;
  const { taskToken } = await client.withDeadline(Date.now() + 20_000, () =>
    workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
  );
  await workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    commands: [
      {
        commandType: proto.temporal.api.enums.v1.CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        failWorkflowExecutionCommandAttributes: {
          failure: { message: type, applicationFailureInfo: { type } },
        },
      },
    ],
  });
}

async function untilSettling(promotionId: string): Promise<void> {
  const workflowId = settlementWorkflowId(tenant, promotionId);
  await until(async () => (await engine.findWorkflowState(workflowId)) === 'running');
}

function listAbandoned(promotionId: string): Promise<readonly unknown[]> {
  return database.query(
    `select actor, data, trace_id as "traceId" from sluice.events
      where promotion_id = $1 and type = 'promotion.abandoned'`,
    [promotionId],
  );
}

async function listStarts(promotionId: string): Promise<readonly unknown[]> {
  const rows = await database.query<{ body: unknown }>(
    `select body from sluice.outbox where workflow_id = $1 order by outbox_id`,
    [settlementWorkflowId(tenant, promotionId)],
  );
  return rows.map(({ body }) => body);
}

async function holderOf(resource: string): Promise<string | null | undefined> {
  return (await inTenant((tx) => findLease(tx, resource)))?.holder;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It did not become true within 20 s.');
    await pause(30);
  }
}
