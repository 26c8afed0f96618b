import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { composePlanPayload } from '@sluice/activities';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
} from '@sluice/activities/testing';
import { createCommandEnvelope, openCommand } from '@sluice/agent-protocol';
import {
  COMMAND_SCHEMA,
  composePlan,
  composePlanSet,
  DEFAULT_DEADLINES,
  type Decision,
  type DecisionOutcome,
  PREDICATE_TYPES,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import {
  getPlan,
  getPromotion,
  getRelease,
  insertCommand,
  insertDecision,
  insertPlan,
  insertPlanSet,
  insertStatement,
  type PromotionRecord,
  releaseLease,
  revokeAgent,
  setDeploymentState,
  setPromotionState,
  storeRules,
  type Tx,
  takeLease,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { digestOf, digestOfBytes } from '@sluice/pure';
import {
  composeStatement,
  createSignerClient,
  generateKeyPair,
  type SignCommandRequest,
  type SignerClient,
  signerSocketPath,
  verifyEnvelope,
} from '@sluice/signing';
import { signCommand } from './command-signing.ts';
import { signHistory } from './history-signing.ts';
import { openSignerKeys } from './signer-keys.ts';
import { serveSigner } from './signer-server.ts';
import { signStatement } from './statement-signing.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-signer-'));
const keysDir = join(folder, 'keys');
const trustRootFile = join(folder, 'public', 'trust-root.json');
const socketPath = join(folder, 'a-rather-long-folder-name-'.repeat(4), 'signer.sock');
const policyDigest = digestOfBytes('policy');
let scene: PromotionScene;
let server: Server;
let client: SignerClient;
let release: string;
let promotion: PromotionRecord;
let planDigest: string;
let payloadDigest: string;
let emptyPayloadDigest: string;
let planRound = 0;
let keys: ReturnType<typeof openSignerKeys>;

beforeAll(async () => {
  scene = await createPromotionScene({ policyDigest });
  release = await scene.addRelease('1.0.0');
  const pool = scene.database.poolOf('sluice_signer');
  keys = openSignerKeys(keysDir, trustRootFile, '2026-01-01T00:00:00Z');
  server = await serveSigner(
    socketPath,
    {
      trustRoot: keys.trustRoot,
      signCommand: (request) => signCommand(pool, keys.command, request, keys.trustRoot),
      signStatement: (request) => signStatement(pool, keys.evidence, request),
      signHistory: (request) => signHistory(pool, keys.evidence, request),
    },
    (error) => {
      throw error;
    },
  );
  client = createSignerClient({ socketPath });
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await scene.database.drop();
  rmSync(folder, { recursive: true, force: true });
  rmSync(dirname(signerSocketPath(socketPath)), { recursive: true, force: true });
});

beforeEach(async () => {
  promotion = await scene.addPromotion(release);
  const { promotionId } = promotion;
  await asWorker(async (tx) => {
    await storeRules(tx, promotionId, {
      releaseDigest: release,
      pipeline: STANDARD_PIPELINE,
      pipelineDigest: digestOf(STANDARD_PIPELINE),
      policyDigest,
      targets: ['dev-1'],
      deadlines: DEFAULT_DEADLINES,
      rulesDigest: digestOfBytes('rules'),
    });
    await setPromotionState(tx, { promotionId, state: 'running' });
    await tx.query(`update sluice.leases set holder = null where tenant_id = $1`, [tx.tenantId]);
    await tx.query(`delete from sluice.lease_queue where tenant_id = $1`, [tx.tenantId]);
    await takeLease(tx, { resource: 'environment:dev', holder: `promotion:${promotionId}` });
    promotion = await getPromotion(tx, promotionId);
    planDigest = await storePlan(tx, release);
    const plan = await getPlan(tx, planDigest);
    payloadDigest = digestOf(await composePlanPayload(tx, promotion, 'deploy', plan));
    emptyPayloadDigest = digestOf(await composePlanPayload(tx, promotion, 'revert', plan));
  });
});

describe('keys', () => {
  test('are made once, mode 600, and the public trust root holds both', async () => {
    const keyFile = join(keysDir, 'command.key.pem');
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    const again = openSignerKeys(keysDir, trustRootFile, '2027-01-01T00:00:00Z');
    expect(again.trustRoot).toEqual(await client.readTrustRoot());
    expect(readFileSync(trustRootFile, 'utf8')).not.toContain('PRIVATE');
    chmodSync(keyFile, 0o644);
    expect(() => openSignerKeys(keysDir, trustRootFile, '2027-01-01T00:00:00Z')).toThrow(/644/);
    chmodSync(keyFile, 0o600);
  });

  test('a second signer on the same socket does not start', async () => {
    const service = { trustRoot: await client.readTrustRoot() } as Parameters<
      typeof serveSigner
    >[1];
    await expect(serveSigner(socketPath, service, () => undefined)).rejects.toThrow(/listens/);
  });
});

describe('commands', () => {
  test('an allowed deployment is signed with the lease’s fencing token', async () => {
    await decide('allow');
    const { envelope } = await client.signCommand(order());
    const opened = openCommand(envelope, await client.readTrustRoot());
    if (!opened.ok) throw new Error(opened.refusal.message);
    const lease = await scene.database.query<{ token: number }>(
      'select fencing_token as token from sluice.leases',
    );
    expect(opened.value.command).toMatchObject({
      ...order(),
      notBefore: expect.any(String),
      expiresAt: expect.any(String),
      releaseDigest: release,
      fencingToken: lease[0]?.token,
      agentKeyId: scene.agents.get('dev-1')?.keyId,
    });
  });

  test.each([
    ['no decision', 'decision-missing', async () => undefined],
    ['a denial', 'decision-not-allow', () => decide('deny')],
    ['a pending decision', 'decision-not-allow', () => decide('pending')],
    ['another policy', 'decision-not-allow', () => decide('allow', digestOfBytes('other'))],
    ['a lost lease', 'lease-not-held', () => allowed(loseLease)],
    ['an ended promotion', 'promotion-ended', () => allowed((tx) => setState(tx, 'failed'))],
    ['a cancelled promotion', 'promotion-cancelled', () => allowed(cancel)],
    ['another release in the plan', 'plan-differs', () => allowed(planOther)],
  ])('%s: %s', async (_what, refusalCode, prepare) => {
    await prepare();
    await refused(order(), refusalCode);
  });

  test.each([
    ['an unknown plan', 'plan-unknown', { planDigest: digestOfBytes('none') }],
    ['a foreign target', 'target-not-in-promotion', foreignTarget],
    ['an unknown promotion', 'promotion-unknown', { promotionId: 'dev/999' }],
    ['another payload', 'payload-differs', { payloadDigest: digestOfBytes('other settings') }],
    ['a field too many', 'request-invalid', { extra: true }],
    ['a day too long', 'request-invalid', { expiresAt: '2099-01-01T00:00:00Z' }],
    ['one that expired', 'request-invalid', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['a key of another effect', 'request-invalid', { idempotencyKey: 'dev/1/deploy/x/deploy' }],
  ])('%s: %s', async (_what, refusalCode, changed) => {
    await decide('allow');
    const wanted = { ...order(), ...(typeof changed === 'function' ? changed() : changed) };
    const key = 'idempotencyKey' in changed ? {} : { idempotencyKey: keyOf(wanted) };
    await refused({ ...wanted, ...key }, refusalCode);
  });

  test('a revert needs a dispatched deployment, and no decision', async () => {
    const revert = { ...order(), kind: 'revert' as const, payloadDigest: emptyPayloadDigest };
    const wanted = { ...revert, idempotencyKey: keyOf(revert) };
    await refused(wanted, 'nothing-to-revert');
    // Rows are the worker's word: what no key of the signer signed was never deployed.
    await asWorker((tx) => dispatch(tx, 890, generateKeyPair()));
    await refused(wanted, 'nothing-to-revert');
    await asWorker((tx) => dispatch(tx, 895, keys.command, digestOfBytes('another plan')));
    await refused(wanted, 'nothing-to-revert');
    await asWorker((tx) => dispatch(tx, 900));
    await refused({ ...wanted, sequence: 900 }, 'sequence-used');
    const { envelope } = await client.signCommand({ ...wanted, sequence: 901 });
    const opened = openCommand(envelope, await client.readTrustRoot());
    expect(opened).toMatchObject({ ok: true, value: { command: { kind: 'revert' } } });
  });

  test('a revoked agent gets nothing', async () => {
    await decide('allow');
    await withTenant(scene.app, SCENE_TENANT, (tx) => revokeAgent(tx, 'dev-1'));
    await refused({ ...order(), sequence: 5000 }, 'agent-revoked');
    await scene.database.query('update sluice.agents set revoked_at = null');
  });
});

describe('statements', () => {
  test('a stored decision is signed, another one is not', async () => {
    const decision = await decide('deny');
    const { envelope } = await sign(PREDICATE_TYPES.decision, { stepId: 'gate', decision });
    const keys = (await client.readTrustRoot()).keys.filter(({ use }) => use === 'evidence');
    expect(verifyEnvelope(envelope, keys)).toMatchObject({ ok: true });
    const forged = { ...decision, decision: 'allow' };
    await expect(
      sign(PREDICATE_TYPES.decision, { stepId: 'gate', decision: forged }),
    ).rejects.toMatchObject({ refusalCode: 'decision-differs' });
  });

  test.each([
    ['an approval that is none', PREDICATE_TYPES.approval, {}, 'statement-malformed'],
    ['no deployment', PREDICATE_TYPES.deployment, { target: 'dev-1' }, 'deployment-differs'],
    ['deployments to nobody', PREDICATE_TYPES.deployment, { targets: [] }, 'deployment-differs'],
    [
      'one deployment among several that is none',
      PREDICATE_TYPES.deployment,
      { targets: [{ target: 'dev-9' }, null] },
      'deployment-differs',
    ],
    [
      'a success that no gate allowed',
      PREDICATE_TYPES.promotion,
      { state: 'succeeded', endedAt: '2026-11-21T12:00:00Z', statements: [] },
      'decision-not-allow',
    ],
  ])('%s: %s', async (_what, type, predicate, refusalCode) => {
    await expect(sign(type, predicate)).rejects.toMatchObject({ refusalCode });
  });

  test('deployments that share a statement are each held to what is stored', async () => {
    const planned = { target: 'dev-1', planDigest, state: 'planned' };
    const one = await sign(PREDICATE_TYPES.deployment, planned);
    const shared = await sign(PREDICATE_TYPES.deployment, { targets: [planned] });
    expect([one, shared]).toEqual([
      { envelope: expect.anything() },
      { envelope: expect.anything() },
    ]);
    for (const changed of [{ state: 'confirmed' }, { planDigest: digestOfBytes('another') }]) {
      const targets = [planned, { ...planned, ...changed }];
      await expect(sign(PREDICATE_TYPES.deployment, { targets })).rejects.toMatchObject({
        refusalCode: 'deployment-differs',
      });
    }
  });

  test('a promotion statement that hides a stored statement is refused', async () => {
    const { envelope } = await sign(PREDICATE_TYPES.scan, {});
    await asWorker((tx) =>
      insertStatement(tx, {
        statementDigest: digestOfBytes(envelope.payload),
        promotionId: promotion.promotionId,
        predicateType: PREDICATE_TYPES.scan,
        envelope,
      }),
    );
    const predicate = { state: 'failed', endedAt: '2026-11-21T12:00:00Z', statements: [] };
    await expect(sign(PREDICATE_TYPES.promotion, predicate)).rejects.toMatchObject({
      refusalCode: 'statement-hidden',
    });
  });

  test('another release, another promotion and another tenant are refused', async () => {
    await expect(
      sign(PREDICATE_TYPES.scan, {}, { digest: digestOfBytes('x') }),
    ).rejects.toMatchObject({ refusalCode: 'subject-differs' });
    await expect(sign(PREDICATE_TYPES.scan, {}, {}, 'dev/999')).rejects.toMatchObject({
      refusalCode: 'promotion-differs',
    });
    await expect(
      client.signStatement({
        tenantId: 'other',
        promotionId: promotion.promotionId,
        statement: statementOf(PREDICATE_TYPES.scan, {}),
      }),
    ).rejects.toMatchObject({ refusalCode: 'promotion-unknown' });
  });
});

function asWorker<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return withTenant(scene.worker, SCENE_TENANT, work);
}

function order(): SignCommandRequest {
  const now = Date.now();
  const request = {
    tenantId: SCENE_TENANT,
    promotionId: promotion.promotionId,
    target: 'dev-1',
    kind: 'deploy' as const,
    planDigest,
    payloadDigest,
    sequence: 1000,
    notBefore: new Date(now - 1000).toISOString(),
    expiresAt: new Date(now + 60_000).toISOString(),
  };
  return { ...request, idempotencyKey: keyOf(request) };
}

function keyOf({ promotionId, target, kind }: Omit<SignCommandRequest, 'idempotencyKey'>): string {
  return `${promotionId}/deploy/${target}/${kind}`;
}

function foreignTarget() {
  return { target: 'prod-1' };
}

async function refused(request: SignCommandRequest, refusalCode: string): Promise<void> {
  await expect(client.signCommand(request)).rejects.toMatchObject({
    code: 'signer-refused',
    refusalCode,
  });
}

async function decide(decision: DecisionOutcome, policy = policyDigest): Promise<Decision> {
  const body: Decision = {
    decision,
    reasonCodes: decision === 'allow' ? [] : ['secret-found'],
    policyDigest: policy,
    inputDigest: digestOfBytes('input'),
    determinismHash: digestOfBytes('hash'),
    evaluatedAt: '2026-11-21T12:00:00Z',
    trace: [],
  };
  const { promotionId } = promotion;
  await asWorker((tx) => insertDecision(tx, { promotionId, stepId: 'gate', decision: body }));
  return body;
}

async function allowed(work: (tx: Tx) => Promise<unknown>): Promise<void> {
  await decide('allow');
  await asWorker(work);
}

async function loseLease(tx: Tx): Promise<void> {
  const holder = `promotion:${promotion.promotionId}`;
  await releaseLease(tx, { resource: 'environment:dev', holder });
}

function setState(tx: Tx, state: 'failed'): Promise<boolean> {
  return setPromotionState(tx, { promotionId: promotion.promotionId, state });
}

async function cancel(): Promise<void> {
  await scene.database.query('update sluice.promotions set cancel_requested_at = now()');
}

async function planOther(tx: Tx): Promise<void> {
  planDigest = await storePlan(tx, digestOfBytes('another release'));
}

async function storePlan(tx: Tx, desired: string): Promise<string> {
  const { components } = (await getRelease(tx, release)).body;
  const plan = composePlan('dev-1', null, {
    release: desired,
    components,
    settings: { PORT: '8080' },
  });
  const digest = await insertPlan(tx, plan);
  const { promotionId } = promotion;
  await upsertDeployment(tx, { promotionId, target: 'dev-1', planDigest: digest });
  const planSet = composePlanSet(promotionId, release, [{ target: 'dev-1', plan: digest }]);
  planRound += 1;
  await insertPlanSet(tx, { promotionId, round: planRound, planSet });
  return digest;
}

async function dispatch(
  tx: Tx,
  sequence: number,
  keyPair = keys.command,
  plan = planDigest,
): Promise<void> {
  const { promotionId } = promotion;
  const envelope = createCommandEnvelope(
    {
      ...order(),
      schema: COMMAND_SCHEMA,
      agentKeyId: digestOfBytes('agent'),
      fencingToken: 1,
      releaseDigest: release,
      planDigest: plan,
      sequence,
    },
    keyPair,
  );
  await setDeploymentState(tx, { promotionId, target: 'dev-1', state: 'dispatched' });
  await insertCommand(tx, {
    target: 'dev-1',
    sequence,
    commandDigest: digestOfBytes(`command ${sequence} of ${promotionId}`),
    kind: 'deploy',
    promotionId,
    releaseDigest: release,
    idempotencyKey: `${keyOf(order())}#${sequence}`,
    envelope,
    payload: '{}',
    fencingToken: 1,
    expiresAt: '2026-11-21T12:00:00Z',
    workflowId: 'w',
    runId: 'r',
    activityId: 'a',
  });
}

function statementOf(
  type: (typeof PREDICATE_TYPES)[keyof typeof PREDICATE_TYPES],
  predicate: object,
  changed: object = {},
  promotionId = promotion.promotionId,
) {
  const about = { name: 'hello', version: '1.0.0', digest: release, ...changed };
  return composeStatement(type, { promotionId, release: about }, { ...predicate });
}

function sign(...parts: Parameters<typeof statementOf>) {
  const { promotionId } = promotion;
  const statement = statementOf(...parts);
  return client.signStatement({ tenantId: SCENE_TENANT, promotionId, statement });
}
