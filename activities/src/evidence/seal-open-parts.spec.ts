import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { composePlan, composePlanSet, type EvidencePacket } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  findApprovalRequest,
  findCurrentRelease,
  getPromotion,
  insertApprovalRequest,
  insertPlan,
  insertPlanSet,
  listDeployments,
  listEvents,
  listSteps,
  markSuperseded,
  setDeploymentState,
  setPromotionState,
  setStepState,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { SignerRefusedError, verifyPacket } from '@sluice/signing';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner } from '../testing/in-memory-signer.ts';
import {
  createPromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/promotion-scene.ts';
import { createSealActivities } from './seal.activities.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-seal-'));
const evidence = createFolderStore(folder);
const scene = await createPromotionScene();
const release = await scene.addRelease('1.0.0');
const signer = createInMemorySigner();
const { sealPromotion } = createSealActivities({
  pool: scene.worker,
  evidence,
  signer,
  logger: createLogger({ service: 'test', level: 'silent' }),
  scope: () => createFakeScope(),
});
afterAll(async () => {
  await scene.database.drop();
  await rm(folder, { recursive: true, force: true });
});

test('sealing closes the steps that are open and the request that waits, in packet and records alike', async () => {
  const promotionId = await running();
  const planDigest = await inTenant(async (tx) => {
    await setStepState(tx, { promotionId, stepId: 'scan', state: 'running' });
    await setStepState(tx, { promotionId, stepId: 'scan', state: 'succeeded' });
    await setStepState(tx, { promotionId, stepId: 'gate', state: 'running' });
    await setStepState(tx, { promotionId, stepId: 'plan', state: 'waiting' });
    const planSet = composePlanSet(promotionId, release, []);
    const digest = await insertPlanSet(tx, { promotionId, round: 1, planSet });
    await insertApprovalRequest(tx, {
      promotionId,
      stepId: 'plan',
      round: 1,
      releaseDigest: release,
      planDigest: digest,
      rule: { count: 1, roles: ['approver'], deadlineSeconds: 60 },
      requesterPersonId: 'alice',
      deadline: '2099-01-01T00:00:00Z',
    });
    return digest;
  });
  const { packetDigest } = await sealPromotion(input(promotionId, 'failed'));
  const expected = {
    scan: 'succeeded',
    gate: 'cancelled',
    plan: 'cancelled',
    deploy: 'skipped',
    verify: 'skipped',
  };
  const steps = await inTenant((tx) => listSteps(tx, promotionId));
  expect(Object.fromEntries(steps.map((step) => [step.stepId, step.state]))).toEqual(expected);
  const root = await rootOf(packetDigest);
  expect(root).not.toHaveProperty('rollback');
  expect(Object.fromEntries(root.steps.map((step) => [step.id, step.state]))).toEqual(expected);
  expect(root).toMatchObject({ plan: planDigest, approval: { state: 'withdrawn', round: 1 } });
  expect(await inTenant((tx) => findApprovalRequest(tx, promotionId))).toMatchObject({
    state: 'withdrawn',
    reason: { code: 'why' },
  });
  expect((await types(promotionId)).filter((type) => type === 'approval.closed')).toHaveLength(1);
});

test('a superseded promotion writes no current release, and says why a target did not answer', async () => {
  const promotionId = await running();
  await deploy(promotionId, 'dispatched');
  const by = await supersede(promotionId);
  await sealPromotion(input(promotionId, 'cancelled', 'superseded'));
  const records = await inTenant(async (tx) => ({
    deployments: await listDeployments(tx, promotionId),
    current: await findCurrentRelease(tx, 'dev-1'),
  }));
  expect(records.current).toBeUndefined();
  expect(records.deployments).toMatchObject([
    { state: 'lost', failure: { code: 'superseded', message: expect.stringContaining(by) } },
  ]);
});

test('a success that a rollback was faster than is sealed as cancelled, every time', async () => {
  const promotionId = await running();
  await deploy(promotionId, 'confirmed');
  await supersede(promotionId);
  const ended = { state: 'cancelled', reason: { code: 'superseded' } };
  const first = await sealPromotion(input(promotionId, 'succeeded'));
  expect(first).toMatchObject({ ended });
  expect(await sealPromotion(input(promotionId, 'succeeded'))).toEqual(first);
  expect(await inTenant((tx) => getPromotion(tx, promotionId))).toMatchObject(ended);
  expect(await inTenant((tx) => findCurrentRelease(tx, 'dev-1'))).toBeUndefined();
  expect(await rootOf(first.packetDigest)).toMatchObject({ state: 'cancelled' });
});

test('whatever a superseded promotion met before it knew that, it is sealed as superseded', async () => {
  const promotionId = await running();
  await deploy(promotionId, 'confirmed');
  await supersede(promotionId);
  const ended = { state: 'cancelled', reason: { code: 'superseded' } };
  expect(await sealPromotion(input(promotionId, 'failed', 'revert-failed'))).toMatchObject({
    ended,
  });
  // A person's cancellation stays what it is.
  const cancelled = await running();
  await supersede(cancelled);
  await sealPromotion(input(cancelled, 'cancelled', 'promotion-cancelled'));
  expect(await inTenant((tx) => getPromotion(tx, cancelled))).toMatchObject({
    reason: { code: 'promotion-cancelled' },
  });
});

test('what the signer refuses because the records have moved on is sealed again from what they say now', async () => {
  const promotionId = await running();
  await deploy(promotionId, 'confirmed');
  const overtaken = createSealActivities({
    pool: scene.worker,
    evidence,
    signer: {
      ...signer,
      signStatement: async () => {
        await supersede(promotionId);
        throw new SignerRefusedError('promotion-superseded', 'It cannot have succeeded.');
      },
    },
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  });
  await expect(overtaken.sealPromotion(input(promotionId, 'succeeded'))).rejects.toMatchObject({
    type: 'Unavailable',
    nonRetryable: false,
  });
  expect(await sealPromotion(input(promotionId, 'succeeded'))).toMatchObject({
    ended: { state: 'cancelled' },
  });
});

test('a rollback to nothing leaves nothing as current', async () => {
  const before = await running();
  await deploy(before, 'confirmed');
  await sealPromotion(input(before, 'succeeded'));
  expect(await inTenant((tx) => findCurrentRelease(tx, 'dev-1'))).toMatchObject({
    releaseDigest: release,
  });
  const promotionId = await running('rollback');
  await deploy(promotionId, 'confirmed', true);
  const { packetDigest } = await sealPromotion(input(promotionId, 'succeeded'));
  expect(await rootOf(packetDigest)).toMatchObject({
    kind: 'rollback',
    rollback: { to: 'release', reason: 'it broke' },
  });
  expect(await inTenant((tx) => findCurrentRelease(tx, 'dev-1'))).toMatchObject({
    releaseDigest: null,
    side: null,
    promotionId,
  });
});

function inTenant<T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> {
  return withTenant(scene.worker, SCENE_TENANT, work);
}

async function running(kind: 'promote' | 'rollback' = 'promote'): Promise<string> {
  const { promotionId } = await scene.addPromotion(release, { kind });
  await inTenant((tx) => setPromotionState(tx, { promotionId, state: 'running' }));
  return promotionId;
}

async function supersede(promotionId: string): Promise<string> {
  const by = (await scene.addPromotion(release, { kind: 'rollback' })).promotionId;
  await inTenant((tx) => markSuperseded(tx, { promotionId, by }));
  return by;
}

async function deploy(
  promotionId: string,
  state: 'confirmed' | 'dispatched',
  empties = false,
): Promise<void> {
  await inTenant(async (tx) => {
    const desired = { release, components: [], settings: {} };
    const planDigest = await insertPlan(tx, composePlan('dev-1', null, empties ? null : desired));
    const place = { promotionId, target: 'dev-1' };
    await upsertDeployment(tx, { ...place, planDigest });
    await setDeploymentState(tx, { ...place, state: 'dispatched' });
    if (state === 'confirmed') await setDeploymentState(tx, { ...place, state });
  });
}

function input(promotionId: string, state: 'succeeded' | 'failed' | 'cancelled', code = 'why') {
  return {
    promotion: { tenantId: SCENE_TENANT, promotionId },
    state,
    reason: state === 'succeeded' ? null : { code, message: 'Because.' },
    endedAt: '2026-11-21T12:30:00.000Z',
    traceparent: SCENE_TRACEPARENT,
  };
}

interface RootPredicate {
  readonly steps: readonly { readonly id: string; readonly state: string }[];
}

async function rootOf(packetDigest: string): Promise<RootPredicate> {
  const bytes = await evidence.getBytes(packetDigest, { maxBytes: 1e6 });
  expect(verifyPacket(bytes, await signer.readTrustRoot()).problems).toEqual([]);
  const packet = JSON.parse(new TextDecoder().decode(bytes)) as EvidencePacket;
  const statement = JSON.parse(Buffer.from(packet.root.payload, 'base64').toString()) as {
    predicate: RootPredicate;
  };
  return statement.predicate;
}

async function types(promotionId: string): Promise<readonly string[]> {
  const { edges } = await inTenant((tx) => listEvents(tx, { first: 100, promotionId }));
  return edges.map(({ node }) => node.type);
}
