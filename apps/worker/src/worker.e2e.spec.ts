import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  createActivities,
  currentActivityScope,
  type ImageScanner,
  settleReportedActivity,
} from '@sluice/activities';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '@sluice/activities/testing';
import { builtInPolicyDir, createDecisionEngine, type DecisionEngine } from '@sluice/decision';
import type { AgentReport, PromotionState } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import { packLayer, writeLayout } from '@sluice/oci';
import {
  type CommandRecord,
  enqueueOutbox,
  getPromotion,
  getReleaseRequest,
  insertReleaseRequest,
  listCommandsAfter,
  listDeployments,
  listHistoriesOf,
  listSteps,
  type PromotionRecord,
  verifyEventChain,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import {
  createArchiveEngine,
  createTemporalEngine,
  startArchiver,
  startEventLinker,
  startOutboxRelay,
} from '@sluice/relays';
import { createSignerClient, type SignerClient, verifyPacket } from '@sluice/signing';
import { createTemporalClient, parseCodecKeys } from '@sluice/temporal-client';
import {
  promotionWorkflowId,
  releaseRequestWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { applyServerSettings } from '@sluice/temporal-server';
import { installEngineRuntime } from './engine-runtime.ts';
import { runEngineWorkers } from './engine-workers.ts';
import { signCommand } from './signer/command-signing.ts';
import { signHistory } from './signer/history-signing.ts';
import { openSignerKeys } from './signer/signer-keys.ts';
import { serveSigner } from './signer/signer-server.ts';
import { signStatement } from './signer/statement-signing.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-worker-'));
const address = process.env['SLUICE_TEST_TEMPORAL_ADDRESS'] ?? '';
const namespace = `worker-e2e-${process.pid}`;
const codecKeys = parseCodecKeys({
  tenants: { acme: { keyId: 'acme.1', key: Buffer.alloc(32, 7).toString('base64') } },
});
const logger = createLogger({
  service: 'test',
  level: process.env['SLUICE_LOG_LEVEL'] ?? 'silent',
});
const evidence = createFolderStore(join(folder, 'evidence'));
const toStop: (() => Promise<unknown> | unknown)[] = [];
let scene: PromotionScene;
let signer: SignerClient;
let engine: DecisionEngine;
let service: Server;
let agentBehaviour: (command: CommandRecord) => Pick<AgentReport, 'stage' | 'failure'>;
/** Sequences of the commands that the agent acted on. */
let acted: number[];
let healthy: boolean;

/** A secret lies in every image of two layers. */
const scanner: ImageScanner = {
  scan: async ({ component, digest }) => {
    const bytes = await evidence.getBytes(digest, { maxBytes: 1e6 });
    const { layers } = JSON.parse(new TextDecoder().decode(bytes)) as { layers: unknown[] };
    const secret = {
      component,
      rule: 'private-key',
      title: 'Private key',
      severity: 'HIGH' as const,
      path: '/deploy.key',
      layerDigest: null,
      startLine: 1,
    };
    return {
      scanner: { name: 'fake', version: '1' },
      secrets: layers.length > 1 ? [secret] : [],
      misconfigurations: [],
      packages: 0,
      report: {},
      sbom: { bomFormat: 'CycloneDX' },
    };
  },
};

beforeAll(async () => {
  installEngineRuntime(logger);
  await applyServerSettings(address, { namespace });
  service = createServer((_request, response) => response.writeHead(healthy ? 200 : 500).end());
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  toStop.push(
    () => service.closeAllConnections(),
    () => service.close(),
  );
  const layout = join(folder, 'samples');
  const file = (path: string) => ({ type: 'file' as const, path, content: path });
  const [clean, leak] = [await packLayer([file('server.mjs')]), await packLayer([file('key')])];
  await writeLayout(layout, [
    { tag: '1.0.0', layers: [clean], cmd: ['x'] },
    { tag: '1.1.0', layers: [clean, leak], cmd: ['x'] },
    { tag: '1.2.0', layers: [clean], cmd: ['y'] },
  ]);
  engine = await createDecisionEngine({ policyDir: builtInPolicyDir('release-gate') });
  toStop.push(() => engine.close());
  const { port } = service.address() as AddressInfo;
  const probe = { path: '/healthz', port, intervalMs: 20, timeoutMs: 1000 };
  scene = await createPromotionScene({
    layout,
    policyDigest: engine.policyDigest,
    target: { health: { ...probe, successes: 2, failures: 3 } },
  });
  toStop.push(() => scene.database.drop());
  await startSigner();
  await startWorker();
  toStop.push(startAgent());
}, 60_000);

afterAll(async () => {
  for (const stop of toStop.reverse()) await stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('a release is resolved, promoted, verified, sealed; a leaking one is denied; an unhealthy one is put back', async () => {
  healthy = true;
  acted = [];
  agentBehaviour = () => ({ stage: 'confirmed', failure: null });
  const first = await promote(await createRelease('1.0.0'), 'succeeded');
  expect(await stepStates(first)).toEqual([
    'scan succeeded',
    'gate succeeded',
    'plan succeeded',
    'deploy succeeded',
    'verify succeeded',
  ]);
  expect(acted).toHaveLength(1);

  const denied = await promote(await createRelease('1.1.0'), 'denied');
  expect(await stepStates(denied)).toEqual([
    'scan succeeded',
    'gate failed',
    'plan skipped',
    'deploy skipped',
    'verify skipped',
  ]);
  expect(denied.reason).toMatchObject({ code: 'secret-found' });
  expect(acted).toHaveLength(1);

  healthy = false;
  const reverted = await promote(await createRelease('1.2.0'), 'reverted');
  expect(reverted.reason).toMatchObject({ code: 'target-unhealthy' });
  const deployments = await inTenant((tx) => listDeployments(tx, reverted.promotionId));
  expect(deployments).toMatchObject([{ target: 'dev-1', state: 'reverted' }]);
  expect(acted).toHaveLength(3);

  const trustRoot = await signer.readTrustRoot();
  for (const promotion of [first, denied, reverted]) {
    const digest = promotion.packetDigest ?? '';
    const packet = await evidence.getBytes(digest, { maxBytes: 1e7 });
    expect(verifyPacket(packet, trustRoot)).toMatchObject({ ok: true, problems: [] });
  }
  await until(async () => {
    const owed = await scene.database.query(
      'select from sluice.workflow_executions where archived_at is null',
    );
    return owed.length === 0;
  });
  for (const { promotionId, packetDigest } of [first, denied, reverted]) {
    const histories = await inTenant((tx) => listHistoriesOf(tx, [promotionId]));
    expect(histories).toMatchObject([{ status: 'completed', packetDigest, buildIds: ['test'] }]);
    const { bundleDigest } = await inTenant((tx) => getPromotion(tx, promotionId));
    expect(bundleDigest).toBe(digestOfBytes('bundle'));
  }
  await until(async () => {
    const rows = await scene.database.query('select from sluice.events where position is null');
    return rows.length === 0;
  });
  expect(await inTenant((tx) => verifyEventChain(tx))).toMatchObject({ ok: true });
}, 120_000);

test('a tag that does not exist refuses the release', async () => {
  const request = await requestRelease('9.9.9');
  expect(request).toMatchObject({ state: 'refused', refusal: { code: 'tag-not-found' } });
}, 60_000);

async function startSigner(): Promise<void> {
  const pool = scene.database.poolOf('sluice_signer');
  const now = new Date(Date.now() - 60_000).toISOString();
  const keys = openSignerKeys(join(folder, 'keys'), join(folder, 'trust-root.json'), now);
  const socketPath = join(folder, 'signer.sock');
  const server = await serveSigner(
    socketPath,
    {
      trustRoot: keys.trustRoot,
      signCommand: (request) => signCommand(pool, keys.command, request),
      signStatement: (request) => signStatement(pool, keys.evidence, request),
      signHistory: (request) => signHistory(pool, keys.evidence, request),
    },
    (error) => logger.error({ err: error }, 'signer'),
  );
  toStop.push(() => new Promise((resolve) => server.close(resolve)));
  signer = createSignerClient({ socketPath });
}

async function startWorker(): Promise<void> {
  const pool = scene.worker;
  const codePath = fileURLToPath(
    new URL('../../../workflows/dist/workflow-bundle.js', import.meta.url),
  );
  const bundleDigest = digestOfBytes('bundle');
  const parts = { pool, evidence, signer, scanner, decisions: engine, logger, bundleDigest };
  const workers = runEngineWorkers({
    version: { buildId: 'test', deployment: null },
    address,
    namespace,
    codecKeys,
    activities: createActivities({ ...parts, scope: currentActivityScope }),
    workflowBundle: { codePath },
    logger,
    onState: () => undefined,
  });
  toStop.push(() => workers.stop());
  await workers.started;
  const client = await createTemporalClient({ address, namespace, codecKeys });
  toStop.push(() => client.connection.close());
  const relay = startOutboxRelay({
    pool: scene.database.poolOf('sluice_relay'),
    workerPool: pool,
    connectionString: scene.database.urlOf('sluice_relay'),
    engine: createTemporalEngine(client),
    settleActivity: (place) => settleReportedActivity(pool, place),
    logger,
  });
  const linker = startEventLinker({
    pool: scene.database.poolOf('sluice_linker'),
    connectionString: scene.database.urlOf('sluice_linker'),
    logger,
  });
  const archiver = startArchiver({
    pool: scene.database.poolOf('sluice_watchdog'),
    connectionString: scene.database.urlOf('sluice_watchdog'),
    workerPool: pool,
    engine: createArchiveEngine(client),
    evidence,
    signer,
    codecKeys,
    logger,
    retentionSeconds: 3600,
  });
  toStop.push(
    () => relay.stop(),
    () => linker.stop(),
    () => archiver.stop(),
  );
}

/** Stands for agent and agent channel: acts once on each command, stores its report, asks for the completion. */
function startAgent(): () => void {
  let last = 0;
  let active: string | null = null;
  const timer = setInterval(async () => {
    const [command] = await inTenant((tx) =>
      listCommandsAfter(tx, { target: 'dev-1', after: last }),
    );
    if (command === undefined || command.sequence <= last) return;
    last = command.sequence;
    acted.push(command.sequence);
    const { stage, failure } = agentBehaviour(command);
    active = command.releaseDigest;
    await scene.report(command, stage, active, failure);
    const { workflowId, runId, activityId } = command;
    await withTenant(scene.app, SCENE_TENANT, (tx) =>
      enqueueOutbox(tx, {
        kind: 'complete-activity',
        body: { workflowId, runId, activityId, result: null },
      }),
    );
  }, 50);
  return () => clearInterval(timer);
}

async function requestRelease(tag: string) {
  const requestId = `request-${tag}`;
  const components = [{ name: 'web', source: 'samples', reference: tag }];
  const common = { name: 'hello', version: tag, components, requestedBy: 'alice' };
  await withTenant(scene.app, SCENE_TENANT, async (tx) => {
    await insertReleaseRequest(tx, {
      requestId,
      body: common,
      requestedBy: 'alice',
      traceId: null,
    });
    await enqueueOutbox(tx, {
      kind: 'start-workflow',
      body: {
        workflowId: releaseRequestWorkflowId(SCENE_TENANT, requestId),
        workflowType: WORKFLOWS.resolveRelease,
        taskQueue: TASK_QUEUES.control,
        input: { tenantId: SCENE_TENANT, requestId, ...common, traceparent: SCENE_TRACEPARENT },
        searchAttributes: { tenant: SCENE_TENANT },
      },
    });
  });
  const read = () => inTenant((tx) => getReleaseRequest(tx, requestId));
  await until(async () => (await read()).state !== 'resolving');
  return read();
}

async function createRelease(tag: string): Promise<string> {
  const { releaseDigest, refusal } = await requestRelease(tag);
  if (releaseDigest === null) throw new Error(refusal?.message);
  return releaseDigest;
}

async function promote(releaseDigest: string, state: PromotionState): Promise<PromotionRecord> {
  const { promotionId } = await scene.addPromotion(releaseDigest);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  const kind = 'promote' as const;
  const environment = 'dev';
  await withTenant(scene.app, SCENE_TENANT, (tx) =>
    enqueueOutbox(tx, {
      kind: 'start-workflow',
      body: {
        workflowId: promotionWorkflowId(SCENE_TENANT, promotionId),
        workflowType: WORKFLOWS.promoteRelease,
        taskQueue: TASK_QUEUES.control,
        input: { promotion, environment, releaseDigest, kind, traceparent: SCENE_TRACEPARENT },
        searchAttributes: { tenant: SCENE_TENANT, environment, release: releaseDigest },
      },
    }),
  );
  const read = () => inTenant((tx) => getPromotion(tx, promotionId));
  await until(async () => (await read()).packetDigest !== null);
  const record = await read();
  expect([record.state, record.reason]).toEqual([
    state,
    state === 'succeeded' ? null : expect.anything(),
  ]);
  return record;
}

async function stepStates({ promotionId }: PromotionRecord): Promise<readonly string[]> {
  return (await inTenant((tx) => listSteps(tx, promotionId))).map(
    ({ stepId, state }) => `${stepId} ${state}`,
  );
}

function inTenant<T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> {
  return withTenant(scene.worker, SCENE_TENANT, work);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 45_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It did not become true within 45 s.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
