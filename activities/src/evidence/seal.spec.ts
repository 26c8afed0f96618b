import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { EvidencePacket } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  findCurrentRelease,
  getPromotion,
  insertBudgetClaims,
  insertPlan,
  listDeployments,
  listEvents,
  listStatements,
  markSuperseded,
  setDeploymentState,
  setPromotionState,
  setStepState,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { type SignerClient, verifyPacket } from '@sluice/signing';
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
const inMemory = createInMemorySigner();
afterAll(async () => {
  await scene.database.drop();
  await rm(folder, { recursive: true, force: true });
});

test('a success names the current release, and its packet verifies offline', async () => {
  const { promotionId, input } = await deployed();
  const { packetDigest } = await seal(inMemory)(input('succeeded'));
  const bytes = await evidence.getBytes(packetDigest, { maxBytes: 1e6 });
  const verified = verifyPacket(bytes, await inMemory.readTrustRoot());
  expect(verified.problems).toEqual([]);
  expect(verified.promotion).toMatchObject({
    state: 'succeeded',
    packetDigest,
    statements: ['urn:sluice:deployment:v1'],
  });
  const records = await withTenant(scene.worker, SCENE_TENANT, async (tx) => ({
    promotion: await getPromotion(tx, promotionId),
    current: await findCurrentRelease(tx, 'dev-1'),
    statements: await listStatements(tx, promotionId),
    events: await listEvents(tx, { first: 50, promotionId }),
  }));
  expect(records.promotion).toMatchObject({ state: 'succeeded', packetDigest });
  expect(records.promotion.endedAt).toBe('2026-11-21T12:30:00Z');
  expect(records.current).toMatchObject({ releaseDigest: release, promotionId });
  expect(records.statements).toHaveLength(2);
  const types = records.events.edges.map(({ node }) => node.type);
  expect(types.filter((type) => type !== 'step.state-changed')).toEqual([
    'promotion.state-changed',
    'promotion.sealed',
  ]);
});

test('a retry answers with the same packet, and one before the transaction makes the same bytes', async () => {
  const { input } = await deployed();
  let signed = 0;
  const dying: SignerClient = {
    ...inMemory,
    signStatement: async (request) => {
      signed += 1;
      const answer = await inMemory.signStatement(request);
      if (signed === 2) throw Object.assign(new Error('gone'), { code: 'signer-unavailable' });
      return answer;
    },
  };
  await expect(seal(dying)(input('succeeded'))).rejects.toMatchObject({
    type: 'Unavailable',
    nonRetryable: false,
  });
  const first = await seal(inMemory)(input('succeeded'));
  expect(await seal(inMemory)(input('succeeded'))).toEqual(first);
  expect(await seal(inMemory)({ ...input('failed') })).toEqual({
    ...first,
    ended: { state: 'succeeded', reason: null },
  });
});

test('two attempts at once seal once', async () => {
  const { promotionId, input } = await deployed();
  const ends = await Promise.allSettled([
    seal(inMemory)(input('succeeded')),
    seal(inMemory)(input('succeeded')),
  ]);
  const digests = ends.flatMap((end) => (end.status === 'fulfilled' ? end.value.packetDigest : []));
  expect(new Set(digests).size).toBe(1);
  const statements = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    listStatements(tx, promotionId),
  );
  expect(statements).toHaveLength(2);
});

test('a seal ends the claims of its promotion, and a success watches what is out where the environment asks for it', async () => {
  const rules = { seconds: 60, everySeconds: 10, probes: { failures: 1 }, onAlarm: 'notify' };
  const watches = (promotionId: string) =>
    scene.database.query(
      `select w.until, o.workflow_id as "workflowId" from sluice.release_watches w
         join sluice.outbox o on o.workflow_id = 'watch/acme/' || w.promotion_id
        where w.promotion_id = $1`,
      [promotionId],
    );
  const unwatched = await deployed();
  await seal(inMemory)(unwatched.input('succeeded'));
  expect(await watches(unwatched.promotionId)).toEqual([]);
  await scene.database.query(`update sluice.environments set watch = $1`, [JSON.stringify(rules)]);
  await scene.database.query(
    `insert into sluice.disruption_budgets (tenant_id, budget_id, selector, max_unavailable) values ('acme', 'all', '{}', 1)`,
  );
  const { promotionId, input } = await deployed();
  await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    insertBudgetClaims(tx, ['all'], { target: 'dev-1', promotionId }),
  );
  await seal(inMemory)(input('succeeded'));
  await seal(inMemory)(input('succeeded'));
  expect(await watches(promotionId)).toEqual([
    { until: expect.anything(), workflowId: `watch/acme/${promotionId}` },
  ]);
  expect(await scene.database.query('select from sluice.budget_claims')).toEqual([]);
  const failed = await deployed();
  await seal(inMemory)(failed.input('failed'));
  expect(await watches(failed.promotionId)).toEqual([]);
  await scene.database.query(`update sluice.environments set watch = null`);
});

test('a silent agent is sealed as lost, and what was current stays', async () => {
  const before = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    findCurrentRelease(tx, 'dev-1'),
  );
  const { promotionId, input } = await deployed('dispatched');
  const { packetDigest } = await seal(inMemory)(input('failed'));
  const after = await withTenant(scene.worker, SCENE_TENANT, async (tx) => ({
    current: await findCurrentRelease(tx, 'dev-1'),
    deployments: await listDeployments(tx, promotionId),
  }));
  expect(after.current).toEqual(before);
  expect(after.deployments[0]).toMatchObject({
    state: 'lost',
    failure: { code: 'agent-silent' },
  });
  const bytes = await evidence.getBytes(packetDigest, { maxBytes: 1e6 });
  const packet = JSON.parse(new TextDecoder().decode(bytes)) as EvidencePacket;
  const payload = Buffer.from(packet.statements[0]?.payload ?? '', 'base64').toString();
  expect(JSON.parse(payload)).toMatchObject({ predicate: { state: 'lost', target: 'dev-1' } });
});

test.each(['denied', 'cancelled', 'reverted'] as const)('%s is sealed too', async (state) => {
  const { input } = await started();
  const { packetDigest } = await seal(inMemory)(input(state));
  const bytes = await evidence.getBytes(packetDigest, { maxBytes: 1e6 });
  const verified = verifyPacket(bytes, await inMemory.readTrustRoot());
  expect(verified.promotion).toMatchObject({ state });
});

test.each(['confirmed', 'dispatched'] as const)(
  'what a run before a reset has %s is put back before an unhappy end is sealed',
  async (deployment) => {
    const { promotionId, input } = await deployed(deployment);
    const asked = { ...input('cancelled'), targetsSettled: false };
    expect(await seal(inMemory)(asked)).toEqual({ packetDigest: '', revertFirst: true });
    const before = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
      getPromotion(tx, promotionId),
    );
    expect(before).toMatchObject({ state: 'running', packetDigest: null });
    const { packetDigest, revertFirst } = await seal(inMemory)({ ...asked, targetsSettled: true });
    expect(revertFirst).toBeUndefined();
    expect(packetDigest).toMatch(/^sha256:/);
  },
);

test('a deploy step that is still at work holds up the seal of a run that knows nothing of it', async () => {
  const { promotionId, input } = await started();
  await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    setStepState(tx, { promotionId, stepId: 'deploy', state: 'running' }),
  );
  const asked = { ...input('failed'), targetsSettled: false };
  expect(await seal(inMemory)(asked)).toMatchObject({ revertFirst: true });
});

test('nothing is put back where nothing was deployed, after a success, or by one that was superseded', async () => {
  const nothing = await started();
  const good = await deployed();
  const superseded = await deployed();
  const target = { promotionId: superseded.promotionId, by: good.promotionId };
  await withTenant(scene.worker, SCENE_TENANT, (tx) => markSuperseded(tx, target));
  const asked = [nothing.input('denied'), good.input('succeeded'), superseded.input('cancelled')];
  for (const input of asked) {
    const answer = await seal(inMemory)({ ...input, targetsSettled: false });
    expect(answer).toEqual({ packetDigest: expect.stringMatching(/^sha256:/) });
  }
});

function seal(signer: SignerClient) {
  return createSealActivities({
    pool: scene.worker,
    evidence,
    signer,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  }).sealPromotion;
}

async function started() {
  const { promotionId } = await scene.addPromotion(release);
  await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    setPromotionState(tx, { promotionId, state: 'running' }),
  );
  return {
    promotionId,
    input: (state: 'succeeded' | 'failed' | 'denied' | 'cancelled' | 'reverted') => ({
      promotion: { tenantId: SCENE_TENANT, promotionId },
      state,
      reason: state === 'succeeded' ? null : { code: 'why', message: 'Because.' },
      endedAt: '2026-11-21T12:30:00.000Z',
      traceparent: SCENE_TRACEPARENT,
    }),
  };
}

async function deployed(state: 'confirmed' | 'dispatched' = 'confirmed') {
  const begun = await started();
  const { promotionId } = begun;
  await withTenant(scene.worker, SCENE_TENANT, async (tx) => {
    const planDigest = await insertPlan(tx, {
      schema: 'sluice.plan/v1',
      target: 'dev-1',
      current: null,
      desired: { release, components: [], settings: {} },
    });
    const place = { promotionId, target: 'dev-1' };
    await upsertDeployment(tx, { ...place, planDigest });
    await setDeploymentState(tx, { ...place, state: 'dispatched' });
    if (state === 'confirmed') await setDeploymentState(tx, { ...place, state });
  });
  return begun;
}
