import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createActivities } from '@sluice/activities';
import { createFakeScope, SCENE_TENANT, SCENE_TRACEPARENT } from '@sluice/activities/testing';
import { APPROVED_PIPELINE, type EvidencePacket } from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  findCurrentRelease,
  findLease,
  insertApproval,
  insertDecision,
  listCommands,
  setStepState,
} from '@sluice/persistence';
import { createTrustRoot, type SignerClient, verifyPacket } from '@sluice/signing';
import { leaseHolder, type PromotionRef, TASK_QUEUES } from '@sluice/temporal-contract';
import { signCommand } from './command-signing.ts';
import { signHistory } from './history-signing.ts';
import type { SigningAnswer } from './signer-server.ts';
import { signStatement } from './statement-signing.ts';
import { createSignerScene, decisionOf, type SignerScene } from './testing/signer-scene.ts';

const resource = 'environment:dev';
let it: SignerScene;
let folder: string;
let evidence: EvidenceStore;
let activities: Required<ReturnType<typeof createActivities>[typeof TASK_QUEUES.control]>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-approved-'));
  evidence = createFolderStore(folder);
  it = await createSignerScene({
    pipeline: APPROVED_PIPELINE,
    environment: { approval: { count: 1, roles: ['approver'], deadlineSeconds: 600 } },
  });
  const byQueue = createActivities({
    pool: it.scene.worker,
    evidence,
    signer: realSigner(),
    scanner: undefined as never,
    decisions: undefined as never,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  });
  activities = {
    ...byQueue[TASK_QUEUES.control],
    ...byQueue[TASK_QUEUES.deploy],
  } as typeof activities;
});
afterAll(async () => {
  await it.scene.database.drop();
  await rm(folder, { recursive: true, force: true });
});

test('planned, approved, deployed and sealed with the real signer: the packet carries who approved', async () => {
  const release = await it.scene.addRelease('1.0.0');
  const promotion = await begun(release);
  const round = await planned(promotion, release);
  const deadline = new Date(Date.now() + 60_000).toISOString();
  await activities.openApproval({ ...round, deadline });
  await decideAs(round);
  await activities.closeApproval({ ...round, state: 'approved', reason: null });
  await activities.takeLease({ promotion, resource });
  expect(await activities.checkPlans(round)).toEqual({ stale: [] });
  await expect(deploy(promotion, release)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const [command] = await it.asWorker((tx) => listCommands(tx, promotion.promotionId));
  if (command === undefined) throw new Error('no command');
  await it.scene.report(command, 'confirmed', release);
  expect(await deploy(promotion, release)).toMatchObject({ outcome: 'succeeded' });
  const { packetDigest } = await seal(promotion);
  await activities.releaseLease({ promotion, resource });
  expect(await it.asWorker((tx) => findCurrentRelease(tx, 'dev-1'))).toMatchObject({
    releaseDigest: release,
  });
  const bytes = await evidence.getBytes(packetDigest, { maxBytes: 1e6 });
  const verified = verifyPacket(bytes, trustRoot());
  expect(verified.problems).toEqual([]);
  expect(verified.promotion?.approvals).toMatchObject([
    { person: 'bob', decision: 'approve', planDigest: round.planDigest },
  ]);
  const packet = JSON.parse(new TextDecoder().decode(bytes)) as EvidencePacket;
  const statements = packet.statements.map((envelope) => {
    const payload = Buffer.from(envelope.payload, 'base64').toString();
    const changed = payload.replace('"person":"bob"', '"person":"ben"');
    return { ...envelope, payload: Buffer.from(changed).toString('base64') };
  });
  expect(verifyPacket({ ...packet, statements }, trustRoot()).ok).toBe(false);
});

test('a worker that skips the approval gets nothing signed', async () => {
  const release = await it.scene.addRelease('1.1.0');
  const promotion = await begun(release);
  const round = await planned(promotion, release);
  await activities.takeLease({ promotion, resource });
  await expect(deploy(promotion, release)).rejects.toMatchObject({ type: 'SignerRefused' });
  const deadline = new Date(Date.now() + 60_000).toISOString();
  await activities.openApproval({ ...round, deadline });
  await activities.closeApproval({ ...round, state: 'approved', reason: null });
  await expect(deploy(promotion, release)).rejects.toMatchObject({ type: 'SignerRefused' });
  expect(await it.asWorker((tx) => listCommands(tx, promotion.promotionId))).toEqual([]);
  await expect(seal(promotion)).rejects.toMatchObject({ type: 'SignerRefused' });
});

test('a rollback takes the lease and is deployed and sealed without gate and approval', async () => {
  const release = await it.scene.addRelease('1.0.0');
  const { promotionId } = await it.scene.addPromotion(release, {
    kind: 'rollback',
    requestedBy: 'root',
    requestedPerson: 'root',
  });
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await activities.freezeRules({ promotion });
  await activities.takeLease({ promotion, resource, preempt: true });
  expect(await it.asWorker((tx) => findLease(tx, resource))).toMatchObject({
    holder: leaseHolder(promotionId),
  });
  await planned(promotion, release);
  await expect(deploy(promotion, release)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const [command] = await it.asWorker((tx) => listCommands(tx, promotionId));
  if (command === undefined) throw new Error('no command');
  await it.scene.report(command, 'confirmed', release);
  await deploy(promotion, release);
  const { packetDigest } = await seal(promotion);
  const bytes = await evidence.getBytes(packetDigest, { maxBytes: 1e6 });
  expect(verifyPacket(bytes, trustRoot()).problems).toEqual([]);
});

/** Up to where the gate has allowed. */
async function begun(release: string): Promise<PromotionRef> {
  const { promotionId } = await it.scene.addPromotion(release);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await activities.freezeRules({ promotion });
  await activities.recordPromotion({ promotion, state: 'running', reason: null });
  await it.asWorker(async (tx) => {
    for (const stepId of ['scan', 'gate']) {
      await setStepState(tx, { promotionId, stepId, state: 'running' });
      await setStepState(tx, { promotionId, stepId, state: 'succeeded' });
    }
    await insertDecision(tx, { promotionId, stepId: 'gate', decision: decisionOf('allow') });
  });
  return promotion;
}

async function planned(promotion: PromotionRef, releaseDigest: string) {
  const { outputs } = await activities.executeStep(stepOf('plan', promotion, releaseDigest));
  const planDigest = outputs['plan'] ?? '';
  return { promotion, stepId: 'approval', round: 1, releaseDigest, planDigest };
}

function deploy(promotion: PromotionRef, release: string) {
  return activities.executeStep({ ...stepOf('deploy', promotion, release), target: 'dev-1' });
}

function stepOf(type: string, promotion: PromotionRef, release: string) {
  return {
    type,
    version: 1,
    promotion,
    stepId: type,
    inputDigests: { release },
    scheduledAt: '2026-11-21T12:00:00Z',
    traceparent: SCENE_TRACEPARENT,
  };
}

async function decideAs(round: Awaited<ReturnType<typeof planned>>): Promise<void> {
  const { releaseDigest, planDigest } = round;
  const said = {
    approvalId: 'bob/key-1',
    decision: 'approve' as const,
    comment: 'Seen.',
    releaseDigest,
    planDigest,
  };
  const voter = { principalId: 'bob', personId: 'bob', kind: 'person', role: 'approver' } as const;
  const { promotionId } = round.promotion;
  await it.asApi((tx) => insertApproval(tx, { ...said, ...voter, promotionId }));
  const decidedAt = new Date().toISOString();
  await activities.recordApproval({ ...round, ballot: { ...said, voter }, decidedAt });
}

function seal(promotion: PromotionRef) {
  return activities.sealPromotion({
    promotion,
    state: 'succeeded',
    reason: null,
    endedAt: new Date().toISOString(),
    traceparent: SCENE_TRACEPARENT,
  });
}

function trustRoot() {
  const { publicKey } = it.keyPair;
  return createTrustRoot([{ publicKey, use: 'evidence', notBefore: '2020-01-01T00:00:00Z' }]);
}

/** The signer's own code, without the socket between. */
function realSigner(): SignerClient {
  const answered = (answer: SigningAnswer) => {
    if (answer.ok) return answer.value as never;
    const { code: refusalCode, message } = answer.refusal;
    throw Object.assign(new Error(message), { code: 'signer-refused', refusalCode });
  };
  return {
    signCommand: async (request) => answered(await signCommand(it.signer, it.keyPair, request)),
    signStatement: async (request) => answered(await signStatement(it.signer, it.keyPair, request)),
    signHistory: async (request) => answered(await signHistory(it.signer, it.keyPair, request)),
    readTrustRoot: async () => trustRoot(),
  };
}
