import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ActivitiesByQueue } from '@sluice/activities';
import {
  activeTraceparent,
  createLogger,
  newTraceparent,
  parseTraceparent,
  startTracing,
  type Tracing,
  withSpan,
} from '@sluice/observability';
import { enqueueOutbox, withTenant } from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { createTemporalEngine, startOutboxRelay } from '@sluice/relays';
import { createTemporalClient, parseCodecKeys } from '@sluice/temporal-client';
import {
  type DecideApprovalInput,
  PROMOTION_MESSAGES,
  type PromoteReleaseInput,
  type PromotionStatus,
  promotionWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { applyServerSettings } from '@sluice/temporal-server';
import { Worker } from '@temporalio/worker';
import {
  createFakeActivities,
  type PromotionActivities,
  succeeded,
} from '../../../test/src/workflows/fake-activities.ts';
import { composeApprovedRules } from '../../../test/src/workflows/fake-rules.ts';
import {
  listTraceProblems,
  type OtlpReceiver,
  pathToRoot,
  type ReceivedSpan,
  startOtlpReceiver,
} from '../../../test/support/otlp-receiver.ts';
import { installEngineRuntime } from './engine-runtime.ts';
import { runEngineWorkers } from './engine-workers.ts';
import { traceSigner } from './traced-signer.ts';

const address = process.env['SLUICE_TEST_TEMPORAL_ADDRESS'] ?? '';
const namespace = `worker-tracing-${process.pid}`;
const tenantId = 'acme';
const COMMENT = 'COMMENT-4c1d';
const codecKeys = parseCodecKeys({
  tenants: { acme: { keyId: 'acme.1', key: Buffer.alloc(32, 7).toString('base64') } },
});
const logger = createLogger({
  service: 'test',
  level: process.env['SLUICE_LOG_LEVEL'] ?? 'silent',
});
const codePath = fileURLToPath(
  new URL('../../../workflows/dist/workflow-bundle.js', import.meta.url),
);
const toStop: (() => Promise<unknown>)[] = [];
let receiver: OtlpReceiver;
let tracing: Tracing;
let database: TestDatabase;
let client: Awaited<ReturnType<typeof createTemporalClient>>;

beforeAll(async () => {
  installEngineRuntime(logger);
  await applyServerSettings(address, { namespace });
  receiver = await startOtlpReceiver();
  toStop.push(() => receiver.close());
  database = await createTestDatabase();
  await database.addTenant(tenantId);
  toStop.push(() => database.drop());
  client = await createTemporalClient({ address, namespace, codecKeys });
  toStop.push(() => client.connection.close());
}, 60_000);

afterAll(async () => {
  for (const stop of toStop.reverse()) await stop();
}, 60_000);

/** Runs work beside workers and the outbox relay, as the worker process does. */
async function withWorker(exports: boolean, work: () => Promise<void>): Promise<void> {
  const endpoint = exports ? receiver.endpoint : undefined;
  tracing = await startTracing({ service: 'worker', endpoint, environment: {} });
  const workers = runEngineWorkers({
    version: { buildId: 'test', deployment: null },
    address,
    namespace,
    codecKeys,
    activities: fakeActivities(),
    workflowBundle: { codePath },
    tracing: tracing.sink,
    logger,
    onState: () => undefined,
  });
  await workers.started;
  const relay = startOutboxRelay({
    pool: database.poolOf('sluice_relay'),
    workerPool: database.poolOf('sluice_worker'),
    connectionString: database.urlOf('sluice_relay'),
    engine: createTemporalEngine(client),
    settleActivity: async () => undefined,
    logger,
  });
  try {
    await work();
  } finally {
    await relay.stop();
    await workers.stop();
    await tracing.stop();
  }
}

const rules = composeApprovedRules({}, { targets: ['host-1'] });
/** What activities saw as the parent for what they ask of others. */
const handedOn: string[] = [];

function fakeActivities(): ActivitiesByQueue {
  const signer = traceSigner({
    signCommand: async () => {
      handedOn.push(activeTraceparent() ?? '');
      throw Object.assign(new Error(COMMENT), { code: 'signer-unavailable' });
    },
  } as never);
  let asked = 0;
  const { activities } = createFakeActivities({
    rules,
    steps: {
      deploy: async ({ promotion, target = '' }) => {
        const command = { ...promotion, target, kind: 'deploy', sequence: 1 } as never;
        // The first attempt fails: its span says so, and the next is beside it.
        asked += 1;
        await signer.signCommand(command).catch((error: unknown) => {
          if (asked === 1) throw error;
        });
        return succeeded('deployed');
      },
    },
  });
  return Object.fromEntries(
    Object.values(TASK_QUEUES).map((queue) => [queue, activities as PromotionActivities]),
  ) as ActivitiesByQueue;
}

function inputOf(number: number, traceparent: string): PromoteReleaseInput {
  return {
    promotion: { tenantId, promotionId: `dev/${number}` },
    environment: 'dev',
    releaseDigest: rules.releaseDigest,
    kind: 'promote',
    traceparent,
  };
}

async function requestStart(input: PromoteReleaseInput): Promise<string> {
  const workflowId = promotionWorkflowId(tenantId, input.promotion.promotionId);
  await withTenant(database.poolOf('sluice_app'), tenantId, (tx) =>
    enqueueOutbox(tx, {
      kind: 'start-workflow',
      body: {
        workflowId,
        workflowType: WORKFLOWS.promoteRelease,
        taskQueue: TASK_QUEUES.control,
        input,
        searchAttributes: { tenant: tenantId },
      },
    }),
  );
  return workflowId;
}

/** What the API does for `decideApproval`: inside a span whose parent is the promotion's stored traceparent. */
async function approve(workflowId: string, traceparent: string): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  let planDigest: string | undefined;
  await until(async () => {
    const status = await handle
      .query<PromotionStatus>(PROMOTION_MESSAGES.promotionStatus)
      .catch(() => undefined);
    planDigest = status?.approval?.planDigest;
    return planDigest !== undefined;
  });
  const ballot: DecideApprovalInput = {
    approvalId: 'otto/key-1',
    voter: { principalId: 'otto', personId: 'otto', kind: 'person', role: 'approver' },
    decision: 'approve',
    comment: COMMENT,
    releaseDigest: rules.releaseDigest,
    planDigest: planDigest ?? '',
  };
  await withSpan('mutation', traceparent, { operation: 'decideApproval' }, () =>
    handle.executeUpdate(PROMOTION_MESSAGES.decideApproval, {
      args: [ballot],
      updateId: ballot.approvalId,
    }),
  );
}

test('from the stored traceparent to the signer everything is one trace, and it replays', async () => {
  const traceparent = newTraceparent();
  const { traceId, spanId: rootId } = parseTraceparent(traceparent) ?? { traceId: '', spanId: '' };
  let workflowId = '';
  await withWorker(true, async () => {
    workflowId = await requestStart(inputOf(1, traceparent));
    await approve(workflowId, traceparent);
    await expect(client.workflow.getHandle(workflowId).result()).resolves.toMatchObject({
      state: 'succeeded',
    });
    await receiver.waitForSpan('of the whole run', ({ name }) => name.startsWith('RunWorkflow'));
  });
  const spans = receiver.listTrace(traceId);
  // The mutation itself is the API's: here it stands outside.
  const fromRoot = spans.filter(({ parentSpanId }) => parentSpanId === rootId);
  expect(fromRoot.map(({ name }) => name).sort()).toEqual(['deliver message', 'mutation']);
  const root: ReceivedSpan = {
    ...(spans[0] as ReceivedSpan),
    name: 'API',
    spanId: rootId,
    parentSpanId: undefined,
  };
  expect(listTraceProblems([...spans, root])).toEqual([]);
  // Nothing began a trace of its own.
  expect(new Set(receiver.spans.map((span) => span.traceId))).toEqual(new Set([traceId]));

  const signing = spans.filter(({ name }) => name === 'sign command');
  expect(signing.map(({ failed }) => failed)).toEqual([true, true]);
  expect(signing.map(({ spanId }) => spanId)).toEqual(
    handedOn.map((handed) => parseTraceparent(handed)?.spanId),
  );
  expect(pathToRoot(spans, signing[0] as ReceivedSpan)).toEqual([
    'sign command',
    'RunActivity:executeStep',
    'StartActivity:executeStep',
    'RunWorkflow:promoteRelease',
    'StartWorkflow:promoteRelease',
    'deliver message',
  ]);
  const deploys = spans.filter(({ attributes }) => attributes['sluice.step'] === 'deploy');
  expect(deploys.map(({ attributes, failed }) => ({ ...attributes, failed }))).toEqual([
    expect.objectContaining({ 'sluice.attempt': 1, failed: true }),
    expect.objectContaining({ 'sluice.attempt': 2, failed: false }),
  ]);
  expect(deploys[0]?.attributes).toMatchObject({
    'sluice.tenant': tenantId,
    'sluice.promotion': 'dev/1',
    'sluice.step_type': 'deploy',
    'sluice.target': 'host-1',
    temporalWorkflowId: workflowId,
  });
  const recorded = spans.find(({ name }) => name === 'RunActivity:recordApproval');
  expect(recorded && pathToRoot(spans, recorded)).toEqual([
    'RunActivity:recordApproval',
    'StartActivity:recordApproval',
    'HandleUpdate:decideApproval',
    'StartWorkflowUpdate:decideApproval',
    'mutation',
  ]);
  expect(receiver.bodies.join()).not.toContain(COMMENT);
  expect(receiver.bodies.join()).not.toContain('key-1');

  await expectReplays(workflowId);
}, 120_000);

test('a worker that exports nothing runs a promotion that others trace, and leaves no trace in the history', async () => {
  const before = receiver.spans.length;
  await withWorker(false, async () => {
    const workflowId = await requestStart(inputOf(2, newTraceparent()));
    await approve(workflowId, newTraceparent());
    await expect(client.workflow.getHandle(workflowId).result()).resolves.toMatchObject({
      state: 'succeeded',
    });
    const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
    expect(JSON.stringify(events)).not.toContain('_tracer-data');
  });
  expect(receiver.spans).toHaveLength(before);
}, 120_000);

/** A traced history replays, and exports nothing again. */
async function expectReplays(workflowId: string): Promise<void> {
  const before = receiver.spans.length;
  const history = await client.workflow.getHandle(workflowId).fetchHistory();
  expect(JSON.stringify(history)).toContain('_tracer-data');
  const { dataConverter } = client.options;
  const results = Worker.runReplayHistories(
    {
      workflowBundle: { codePath },
      dataConverter: {
        ...(dataConverter.payloadCodecs && { payloadCodecs: [...dataConverter.payloadCodecs] }),
      },
      sinks: { exporter: { export: { fn: () => undefined } } },
    },
    [{ workflowId, history }],
  );
  for await (const { error } of results) expect(error).toBeUndefined();
  expect(receiver.spans).toHaveLength(before);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 45_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It did not become true within 45 s.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
