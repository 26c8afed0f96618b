import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Envelope, HistoryRule, Statement } from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { createLogger, createMetrics } from '@sluice/observability';
import {
  applyConfiguration,
  claimOutbox,
  enqueueOutbox,
  findEvidence,
  insertPromotion,
  keepBundle,
  listEvents,
  listHistoriesOfWorkflow,
  lookNow,
  setPacketDigest,
  setPromotionState,
  settleOutbox,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  createScene,
  createTestDatabase,
  sceneConfiguration,
  type TestDatabase,
} from '@sluice/persistence/testing';
import { digestOfBytes } from '@sluice/pure';
import { createStatementEnvelope, generateKeyPair, SignerRefusedError } from '@sluice/signing';
import { createTemporalClient, openHistory, parseCodecKeys } from '@sluice/temporal-client';
import { applyServerSettings } from '@sluice/temporal-server';
import proto from '@temporalio/proto';
import { createArchiveEngine } from './archive-engine.ts';
import { archiveExecution } from './archive-execution.ts';
import { type ArchiverOptions, startArchiver } from './archiver.ts';
import { expireHistories } from './expire-histories.ts';
import { removeUnnamedArchives } from './remove-unnamed-archives.ts';

const { CommandType } = proto.temporal.api.enums.v1;
const address = process.env['SLUICE_TEST_TEMPORAL_ADDRESS'] ?? '';
const namespace = `archive-${randomBytes(4).toString('hex')}`;
const codecKeys = parseCodecKeys({
  tenants: { acme: { keyId: 'k', key: randomBytes(32).toString('base64') } },
});
const folder = mkdtempSync(join(tmpdir(), 'sluice-archive-'));
const keyPair = generateKeyPair();
const logger = createLogger({ service: 'test', level: 'silent' });
let refusal: string | undefined;
let toStop: { stop(): Promise<void> }[] = [];
let database: TestDatabase;
let client: Awaited<ReturnType<typeof createTemporalClient>>;
let releaseDigest: string;
let parts: ArchiverOptions;
let evidence: EvidenceStore;

beforeAll(async () => {
  await applyServerSettings(address, { namespace });
  client = await createTemporalClient({ address, namespace, codecKeys });
  database = await createTestDatabase();
  releaseDigest = (await createScene(database)).releaseDigest;
  evidence = createFolderStore(folder);
  parts = {
    pool: database.poolOf('sluice_watchdog'),
    connectionString: database.urlOf('sluice_watchdog'),
    workerPool: database.poolOf('sluice_worker'),
    engine: createArchiveEngine(client),
    evidence,
    signer: { signHistory: async ({ statement }) => sign(statement) },
    codecKeys,
    logger,
    metrics: createMetrics({ defaults: false }),
    retentionSeconds: 3600,
  };
}, 60_000);
afterEach(async () => {
  await Promise.all(toStop.splice(0).map((archiver) => archiver.stop()));
});
afterAll(async () => {
  await client.connection.close();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function sign(statement: Statement): Promise<{ envelope: Envelope }> {
  if (refusal !== undefined) throw new SignerRefusedError(refusal, 'The signer refused.');
  return { envelope: createStatementEnvelope(statement, keyPair) };
}

const work = <T>(does: (tx: Tx) => Promise<T>) => withTenant(parts.workerPool, 'acme', does);

interface Run {
  readonly promotionId: string;
  readonly workflowId: string;
}

/** A promotion whose start is asked for, and delivered unless `isDelivered` is false. */
async function request(isDelivered = true): Promise<Run> {
  const app = database.poolOf('sluice_app', { max: 1 });
  const run = await withTenant(app, 'acme', async (tx) => {
    const { promotionId } = await insertPromotion(tx, {
      environment: 'dev',
      releaseDigest,
      kind: 'promote',
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: [],
    });
    const workflowId = `promotion/acme/${promotionId}`;
    await enqueueOutbox(tx, {
      kind: 'start-workflow',
      body: {
        workflowId,
        workflowType: 'promoteRelease',
        taskQueue: queueOf(workflowId),
        input: {},
        searchAttributes: { tenant: 'acme' },
      },
    });
    return { promotionId, workflowId };
  });
  if (isDelivered) {
    const relay = database.poolOf('sluice_relay', { max: 1 });
    for (const message of await claimOutbox(relay)) await settleOutbox(relay, message);
  }
  return run;
}

const queueOf = (workflowId: string): string => `queue-of-${workflowId}`;

async function start({ workflowId }: Run): Promise<string> {
  const { firstExecutionRunId } = await client.workflow.start('promoteRelease', {
    workflowId,
    taskQueue: queueOf(workflowId),
    args: [{ secret: 'never in plain' }],
  });
  return firstExecutionRunId;
}

/** Answers the next workflow task as a worker of build `b1` would. */
async function answerTask({ workflowId }: Run, isLast: boolean): Promise<void> {
  const { taskToken } = await client.withDeadline(Date.now() + 20_000, () =>
    client.workflowService.pollWorkflowTaskQueue({
      namespace,
      taskQueue: { name: queueOf(workflowId) },
      identity: 'test',
    }),
  );
  const complete = {
    commandType: CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
    completeWorkflowExecutionCommandAttributes: {},
  };
  await client.workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    identity: 'test',
    workerVersionStamp: { buildId: 'b1' },
    commands: isLast ? [complete] : [],
  });
}

const seal = ({ promotionId, workflowId }: Run) =>
  work(async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setPromotionState(tx, { promotionId, state: 'cancelled' });
    await setPacketDigest(tx, promotionId, packetOf({ promotionId }));
    await lookNow(tx, workflowId);
  });

const packetOf = ({ promotionId }: Pick<Run, 'promotionId'>): string =>
  digestOfBytes(`packet ${promotionId}`);

async function lookAt({ workflowId }: Run, changed: Partial<ArchiverOptions> = {}) {
  await work((tx) => lookNow(tx, workflowId));
  return archiveExecution({ ...parts, ...changed }, { tenantId: 'acme', workflowId });
}

const historiesOf = ({ workflowId }: Run) => work((tx) => listHistoriesOfWorkflow(tx, workflowId));

async function eventsOf({ promotionId }: Run): Promise<readonly string[]> {
  const { edges } = await work((tx) => listEvents(tx, { first: 100, promotionId }));
  return edges.map(({ node }) => node.type).filter((type) => type.startsWith('history.'));
}

const filesInStore = (): number =>
  readdirSync(join(folder, 'sha256'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  ).length;

test('several archivers at once archive a closed run once; its file opens with the key alone', async () => {
  await keepBundle(parts.workerPool, {
    bundleDigest: digestOfBytes('bundle'),
    buildId: 'b1',
    sdkVersion: '1.23.0',
    contentDigest: digestOfBytes('packed bundle'),
    size: 1,
  });
  const run = await request();
  const runId = await start(run);
  expect(await lookAt(run)).toBe('later');
  toStop = [1, 2, 3].map(() => startArchiver(parts));
  await answerTask(run, true);
  await seal(run);
  await until(async () => (await historiesOf(run)).length > 0);
  const workflowId = `promotion/acme/${run.promotionId}`;
  await until(async () => {
    const [row] = await database.query<{ done: boolean }>(
      'select archived_at is not null as done from sluice.workflow_executions where workflow_id = $1',
      [workflowId],
    );
    return row?.done === true;
  });

  const [history, ...others] = await historiesOf(run);
  expect(others).toEqual([]);
  expect(history).toMatchObject({
    runId,
    status: 'completed',
    workflowType: 'promoteRelease',
    buildIds: ['b1'],
    bundleDigests: [digestOfBytes('bundle')],
    packetDigest: packetOf(run),
  });
  expect(await eventsOf(run)).toEqual(['history.archived']);
  expect(filesInStore()).toBe(1);
  const archiveDigest = history?.archiveDigest ?? '';
  const noted = await work((tx) => findEvidence(tx, archiveDigest));
  expect(noted).toMatchObject({
    mediaType: 'application/vnd.sluice.history.v1',
    size: history?.archiveSize,
  });
  const file = await evidence.getBytes(archiveDigest, { maxBytes: 1e6 });
  const opened = await openHistory(file, codecKeys);
  expect(opened.head).toMatchObject({ tenantId: 'acme', workflowId, runId });
  expect(opened.history.events).toHaveLength(history?.eventCount ?? 0);
  expect(Buffer.from(file).toString('latin1')).not.toContain('never in plain');
  const said = Buffer.from(history?.envelope.payload ?? '', 'base64').toString();
  for (const digest of [history?.historyDigest ?? '', packetOf(run)]) {
    expect(said).toContain(digest.slice('sha256:'.length));
  }
}, 60_000);

test('a terminated run waits for the packet that a settlement seals', async () => {
  const run = await request();
  await start(run);
  await client.workflow.getHandle(run.workflowId).terminate('a test');
  expect(await lookAt(run)).toBe('later');
  await seal(run);
  expect(await lookAt(run)).toBe('archived');
  expect(await historiesOf(run)).toMatchObject([
    { status: 'terminated', packetDigest: packetOf(run) },
  ]);
  expect(await lookAt(run)).toBe('taken');
});

test('while its promotion is open a closed run waits for the packet, up to 20 hours', async () => {
  const run = await request();
  await start(run);
  await client.workflow.getHandle(run.workflowId).terminate('a test');
  const closedAgo = (hours: number): Partial<ArchiverOptions> => ({
    engine: {
      ...parts.engine,
      listRuns: async (workflowId) =>
        (await parts.engine.listRuns(workflowId)).map((one) => ({
          ...one,
          closedAt: new Date(Date.now() - hours * 3_600_000).toISOString(),
        })),
    },
  });
  expect(await lookAt(run, closedAgo(2))).toBe('later');
  expect(await lookAt(run, closedAgo(19.9))).toBe('later');
  expect(await lookAt(run, closedAgo(20.1))).toBe('archived');
  expect(await historiesOf(run)).toMatchObject([{ packetDigest: null }]);
});

test('every run of a chain of resets is archived', async () => {
  const run = await request();
  const first = await start(run);
  await answerTask(run, false);
  const reset = proto.temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest.fromObject({
    namespace,
    workflowExecution: { workflowId: run.workflowId, runId: first },
    workflowTaskFinishEventId: 4,
    requestId: randomBytes(8).toString('hex'),
    reason: 'a test',
  });
  const { runId: second } = await client.workflowService.resetWorkflowExecution(reset);
  expect(await lookAt(run)).toBe('later');
  await answerTask(run, true);
  await seal(run);
  expect(await lookAt(run)).toBe('archived');
  expect(await historiesOf(run)).toMatchObject([
    { runId: first, status: 'terminated' },
    { runId: second, status: 'completed' },
  ]);
  expect(await eventsOf(run)).toEqual(['history.archived', 'history.archived']);
});

test('who dies between file and row leaves the rest to the next one, and a file that is removed a day later', async () => {
  const run = await request();
  await start(run);
  await client.workflow.getHandle(run.workflowId).terminate('a test');
  await seal(run);
  let left = '';
  const dying: EvidenceStore = {
    ...evidence,
    put: async (...given) => {
      left = (await evidence.put(...given)).digest;
      throw new Error('killed');
    },
  };
  await expect(lookAt(run, { evidence: dying })).rejects.toThrow('killed');
  expect(await historiesOf(run)).toEqual([]);
  expect(await lookAt(run)).toBe('archived');
  const [history, ...others] = await historiesOf(run);
  expect(others).toEqual([]);
  expect(await eventsOf(run)).toEqual(['history.archived']);

  const stopping = new AbortController().signal;
  expect(await removeUnnamedArchives(parts, stopping)).toBe(0);
  await database.query(`update sluice.evidence set created_at = now() - interval '25 hours'`);
  expect(await removeUnnamedArchives(parts, stopping)).toBe(1);
  expect(await evidence.has(left)).toBe(false);
  expect(await work((tx) => findEvidence(tx, left))).toBe(undefined);
  expect(await evidence.has(history?.archiveDigest ?? '')).toBe(true);
  expect(await work((tx) => findEvidence(tx, history?.archiveDigest ?? ''))).toBeDefined();
  expect(await removeUnnamedArchives(parts, stopping)).toBe(0);
});

test('what the signer refuses leaves no file, and is tried again', async () => {
  const run = await request();
  await start(run);
  await client.workflow.getHandle(run.workflowId).terminate('a test');
  await seal(run);
  const before = filesInStore();
  refusal = 'packet-differs';
  await expect(lookAt(run)).rejects.toMatchObject({ code: 'signer-refused' });
  refusal = undefined;
  expect(filesInStore()).toBe(before);
  expect(await lookAt(run)).toBe('archived');
});

test('what the engine forgot is lost once its promotion has ended, or after an hour; never before its start', async () => {
  const unstarted = await request(false);
  await database.query(
    `update sluice.workflow_executions set requested_at = now() - interval '2 hours'
      where workflow_id = $1`,
    [unstarted.workflowId],
  );
  expect(await lookAt(unstarted)).toBe('later');
  const ended = await request();
  expect(await lookAt(ended)).toBe('later');
  await seal(ended);
  expect(await lookAt(ended)).toBe('lost');
  expect(await eventsOf(ended)).toEqual(['history.lost']);
  expect(await lookAt(ended)).toBe('taken');
  // The other start was delivered with this one.
  expect(await lookAt(unstarted)).toBe('lost');
});

test('histories expire by rule: the file goes, row and statement stay', async () => {
  const run = await request();
  await start(run);
  await client.workflow.getHandle(run.workflowId).terminate('a test');
  await seal(run);
  expect(await lookAt(run)).toBe('archived');
  const stopping = new AbortController().signal;
  const apply = (histories: readonly HistoryRule[]) =>
    withTenant(database.poolOf('sluice_app', { max: 1 }), 'acme', (tx) =>
      applyConfiguration(tx, { ...sceneConfiguration('acme'), histories }),
    );
  expect(await expireHistories(parts, stopping)).toBe(0);
  await apply([{ environments: ['dev'], states: ['cancelled'], days: 30 }]);
  expect(await expireHistories(parts, stopping)).toBe(0);
  await database.query(
    `update sluice.workflow_histories set closed_at = now() - interval '31 days' where workflow_id = $1`,
    [run.workflowId],
  );
  expect(await expireHistories(parts, stopping)).toBe(1);
  expect(await expireHistories(parts, stopping)).toBe(0);
  const [history] = await historiesOf(run);
  expect(history?.expiredAt).not.toBeNull();
  expect(await evidence.has(history?.archiveDigest ?? '')).toBe(false);
  expect(await work((tx) => findEvidence(tx, history?.archiveDigest ?? ''))).toBe(undefined);
  expect(await eventsOf(run)).toEqual(['history.archived', 'history.expired']);
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('It did not come true in time.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
