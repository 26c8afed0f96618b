import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type AgentReport, composePlan, REPORT_SCHEMA, type ReportStage } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import type { Pool } from '../pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import {
  consumeEnrolmentToken,
  enrolAgent,
  findAgent,
  findAgentByKey,
  forgetNonces,
  recordHeartbeat,
  rememberNonce,
  revokeAgent,
} from './agent.repository.ts';
import {
  findCommandByDigest,
  findCommandByIdempotencyKey,
  insertCommand,
  listCommandedReleases,
  listCommands,
  listCommandsAfter,
  nextCommandSequence,
  settleCommand,
} from './command.repository.ts';
import { findCurrentRelease, setCurrentRelease } from './current-release.repository.ts';
import { listDeployments, setDeploymentState, upsertDeployment } from './deployment.repository.ts';
import { takeLease } from './lease.repository.ts';
import { getPlan, insertPlan } from './plan.repository.ts';
import { findFinalReport, insertReport, listReports } from './report.repository.ts';

const target = 'dev-host-1';
const envelope = { payloadType: 'p', payload: 'AA==', signatures: [{ sig: 'AA==' }] };
let database: TestDatabase;
let app: Pool;
let worker: Pool;
let releaseDigest: string;
let promotionId: string;
let planDigest: string;
let count = 0;
const inApp = <T>(work: (tx: Tx) => Promise<T>) => withTenant(app, 'acme', work);
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  const scene = await createScene(database);
  await createScene(database, 'other');
  ({ releaseDigest } = scene);
  ({ promotionId } = scene.promotion);
  planDigest = await inWorker((tx) => insertPlan(tx, composePlan(target, null, null)));
});

beforeEach(() => {
  count += 1;
});

afterAll(() => database.drop());

const enrol = (name: string, key: string) =>
  inApp((tx) =>
    enrolAgent(tx, {
      target: name,
      keyId: digestOfBytes(key),
      publicKey: `pem ${key}`,
      version: '0.1.0',
    }),
  );

async function dispatch(
  key = `deploy:${count}`,
  fencingToken = 1,
): Promise<{ sequence: number; digest: string }> {
  const digest = digestOfBytes(`command ${key}`);
  const sequence = await inWorker(async (tx) => {
    const next = await nextCommandSequence(tx, target);
    await insertCommand(tx, {
      target,
      sequence: next,
      commandDigest: digest,
      kind: 'deploy',
      promotionId,
      releaseDigest,
      idempotencyKey: key,
      envelope,
      payload: '{}',
      fencingToken,
      expiresAt: '2030-01-01T00:00:00Z',
      workflowId: 'w',
      runId: 'r',
      activityId: 'a',
    });
    return next;
  });
  return { sequence, digest };
}

function report(commandDigest: string, stage: ReportStage, message = ''): AgentReport {
  return {
    schema: REPORT_SCHEMA,
    tenantId: 'acme',
    target,
    agentKeyId: 'sha256:k',
    commandDigest,
    sequence: 1,
    stage,
    at: '2026-01-01T00:00:00Z',
    failure: message === '' ? null : { code: 'failed', message },
    activeRelease: null,
  };
}

test('a key names its agent across tenants until it is revoked or another one enrols', async () => {
  await enrol(target, 'first');
  expect(await findAgentByKey(app, digestOfBytes('first'))).toEqual({
    tenantId: 'acme',
    target,
    publicKey: 'pem first',
  });
  expect(await inApp((tx) => findAgent(tx, target))).toMatchObject({ activeReportedAt: null });
  const activeRelease = digestOfBytes('release');
  await inApp((tx) => recordHeartbeat(tx, { target, version: '0.2.0', activeRelease }));
  expect(await inApp((tx) => findAgent(tx, target))).toMatchObject({
    version: '0.2.0',
    lastHeartbeatAt: expect.any(String),
    activeRelease,
    activeReportedAt: expect.any(String),
  });
  await enrol(target, 'second');
  expect(await findAgentByKey(app, digestOfBytes('first'))).toBeUndefined();
  expect(await inApp((tx) => findAgent(tx, target))).toMatchObject({
    activeRelease: null,
    activeReportedAt: null,
  });
  expect(await inApp((tx) => revokeAgent(tx, target))).toBe(true);
  expect(await inApp((tx) => revokeAgent(tx, target))).toBe(false);
  expect(await findAgentByKey(app, digestOfBytes('second'))).toBeUndefined();
  await expect(enrol('nowhere', 'third')).rejects.toMatchObject({ code: 'not-found' });
});

test('a key that two tenants claim names nobody', async () => {
  await enrol(target, 'shared');
  await withTenant(app, 'other', (tx) =>
    enrolAgent(tx, { target, keyId: digestOfBytes('shared'), publicKey: 'pem', version: '0.1.0' }),
  );
  expect(await findAgentByKey(app, digestOfBytes('shared'))).toBeUndefined();
});

test('a token and a nonce are used once, also by two at the same time', async () => {
  const useToken = () => inApp((tx) => consumeEnrolmentToken(tx, { tokenId: 't', target }));
  expect((await Promise.all([useToken(), useToken()])).sort()).toEqual([false, true]);
  const useNonce = () => inApp((tx) => rememberNonce(tx, { keyId: 'k', nonce: 'n' }));
  expect((await Promise.all([useNonce(), useNonce()])).sort()).toEqual([false, true]);
  expect(await inApp((tx) => forgetNonces(tx, 60))).toBe(0);
  await database.query(`update sluice.agent_nonces set seen_at = now() - interval '2 minutes'`);
  expect(await inApp((tx) => forgetNonces(tx, 60))).toBe(1);
});

test('commands appear in the order of their sequences, also when two are made at once', async () => {
  const made = await Promise.all([1, 2, 3, 4].map((n) => dispatch(`at once ${n}`)));
  const first = Math.min(...made.map(({ sequence }) => sequence));
  const after = await inApp((tx) => listCommandsAfter(tx, { target, after: first - 1 }));
  expect(after.map(({ sequence }) => sequence)).toEqual([first, first + 1, first + 2, first + 3]);
  expect(await inApp((tx) => listCommandsAfter(tx, { target, after: first + 3 }))).toEqual([]);
  expect(await inApp((tx) => listCommandedReleases(tx, target))).toEqual([releaseDigest]);
  expect((await inWorker((tx) => listCommands(tx, promotionId))).length).toBeGreaterThan(3);
});

test('a command is stored once by its key', async () => {
  const { digest } = await dispatch('once');
  await expect(dispatch('once')).rejects.toMatchObject({ code: 'record-conflict' });
  expect(await inWorker((tx) => findCommandByIdempotencyKey(tx, 'once'))).toMatchObject({
    commandDigest: digest,
    envelope,
  });
  expect(await inApp((tx) => settleCommand(tx, digest))).toBe(true);
  expect(await inApp((tx) => settleCommand(tx, digest))).toBe(false);
  expect((await inApp((tx) => findCommandByDigest(tx, digest)))?.settledAt).not.toBeNull();
});

test('a report is stored once per stage, and only one ends a command', async () => {
  const { digest } = await dispatch();
  await enrol(target, 'reporter');
  const store = (stage: ReportStage, message?: string) =>
    inApp((tx) => insertReport(tx, { envelope, body: report(digest, stage, message) }));
  expect(await store('accepted')).toBe(true);
  expect(await store('accepted')).toBe(false);
  expect(await inApp((tx) => findFinalReport(tx, digest))).toBeUndefined();
  expect(await store('refused', 'broken \u0000 \ud800 text')).toBe(true);
  expect(await store('confirmed')).toBe(false);
  expect(await inApp((tx) => findAgent(tx, target))).toMatchObject({
    activeRelease: null,
    activeReportedAt: expect.any(String),
  });
  expect(await inWorker((tx) => findFinalReport(tx, digest))).toMatchObject({
    stage: 'refused',
    body: { failure: { message: 'broken \ufffd \ufffd text' } },
  });
  expect(await inWorker((tx) => listReports(tx, digest))).toHaveLength(2);
});

test('a deployment goes its way once; a renewed plan counts only before the dispatch', async () => {
  const plan = composePlan(target, null, { release: releaseDigest, components: [], settings: {} });
  const other = await inWorker((tx) => insertPlan(tx, plan));
  expect(await inWorker((tx) => insertPlan(tx, plan))).toBe(other);
  expect(await inWorker((tx) => getPlan(tx, other))).toEqual(plan);
  const upsert = (digest: string) =>
    inWorker((tx) => upsertDeployment(tx, { promotionId, target, planDigest: digest }));
  const to = (state: 'dispatched' | 'lost' | 'confirmed' | 'planned' | 'reverted', pool = worker) =>
    withTenant(pool, 'acme', (tx) => setDeploymentState(tx, { promotionId, target, state }));
  expect((await upsert(planDigest)).planDigest).toBe(planDigest);
  expect((await upsert(other)).planDigest).toBe(other);
  expect(await to('dispatched')).toBe(true);
  expect((await upsert(planDigest)).planDigest).toBe(other);
  expect(await to('lost')).toBe(true);
  expect(await to('confirmed', app)).toBe(true);
  expect(await to('confirmed', app)).toBe(false);
  await expect(to('planned')).rejects.toMatchObject({ code: 'illegal-transition' });
  expect(await to('reverted')).toBe(true);
  expect(await inApp((tx) => listDeployments(tx, promotionId))).toMatchObject([
    { target, state: 'reverted', planDigest: other, failure: null },
  ]);
});

test('what runs on a target is said once per promotion', async () => {
  const side = { release: releaseDigest, components: [], settings: { PORT: '1' } };
  const set = () => inWorker((tx) => setCurrentRelease(tx, { target, promotionId, side }));
  expect(await inWorker((tx) => findCurrentRelease(tx, target))).toBeUndefined();
  await set();
  const first = await inWorker((tx) => findCurrentRelease(tx, target));
  expect(first).toMatchObject({ releaseDigest, promotionId, side });
  await set();
  expect(await inWorker((tx) => findCurrentRelease(tx, target))).toEqual(first);
});

test('a target that came from another environment is commanded with a token above the last one it saw', async () => {
  await dispatch(`deploy:${count}`, 57);
  await database.query(
    `insert into sluice.environments (tenant_id, environment_id, position, pipeline_id, policy_id, deadlines)
     values ('acme', 'moved-to', 99, 'standard', 'release-gate', '{}')`,
  );
  await database.query(
    `update sluice.targets set environment_id = 'moved-to' where tenant_id = 'acme' and target_id = '${target}'`,
  );
  const take = (environment: string) =>
    inWorker((tx) =>
      takeLease(tx, { resource: `environment:${environment}`, holder: 'promotion:x' }),
    );
  expect(await take('moved-to')).toEqual({ state: 'granted', fencingToken: 58 });
  expect(await take('never-commanded')).toEqual({ state: 'granted', fencingToken: 1 });
});
