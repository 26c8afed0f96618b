import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import {
  insertPlan,
  listCurrentReleases,
  setDeploymentState,
  upsertDeployment,
  upsertDeployments,
  withTenant,
} from '@sluice/persistence';
import { verifyPacket } from '@sluice/signing';
import { createNoopStep } from '../noop/noop.step.ts';
import {
  type BegunCourse,
  type CourseScene,
  createCourseScene,
  createFakeScope,
  createInMemorySigner,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/index.ts';
import type { MemberList } from './member-list.ts';
import { createSealActivities } from './seal.activities.ts';

let room: CourseScene;
const signer = createInMemorySigner();
const targets = ['dev-1', 'dev-2', 'dev-3'];
beforeAll(async () => {
  room = await createCourseScene({ targets });
});
afterAll(() => room.close());

async function seal({ promotion }: BegunCourse, state: 'succeeded' | 'failed') {
  const { sealPromotion } = createSealActivities({
    pool: room.scene.worker,
    evidence: room.evidence,
    signer,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  });
  const { packetDigest } = await sealPromotion({
    promotion,
    state,
    reason: state === 'succeeded' ? null : { code: 'step-failed', message: 'It failed.' },
    endedAt: '2026-11-21T12:30:00.000Z',
    traceparent: SCENE_TRACEPARENT,
  });
  const bytes = await room.evidence.getBytes(packetDigest, { maxBytes: 1e7 });
  const packet = JSON.parse(new TextDecoder().decode(bytes)) as { root: { payload: string } };
  const root = JSON.parse(Buffer.from(packet.root.payload, 'base64').toString('utf8')) as {
    predicate: { steps: { id: string; state: string; members?: Record<string, unknown> }[] };
  };
  return { verified: verifyPacket(bytes, await signer.readTrustRoot()), bytes, root };
}

test('a step over ten thousand members is sealed by counts and the digest of their list', async () => {
  const course = await room.begin({
    steps: [
      {
        id: 'each',
        type: 'noop@1',
        matrix: {
          over: { values: Array.from({ length: 10_000 }, (_, index) => index) },
          policy: 'partial',
        },
        continueOnFailure: true,
      },
      { id: 'rest', type: 'noop@1', needs: ['each'] },
    ],
  });
  const { promotion } = course;
  const { promotionId } = promotion;
  const activities = room.activities([createNoopStep()]);
  await activities.expandMatrix({ promotion, stepId: 'each' });
  await activities.executeStep(course.input('each', { member: { index: 0, key: '0' } }));
  await room.scene.database.query(
    `update sluice.step_members set state = 'succeeded' where promotion_id = $1 and member_index < 9990`,
    [promotionId],
  );
  await activities.recordMembers({
    promotion,
    stepId: 'each',
    members: [
      { index: 9999, outcome: 'failed', reason: { code: 'step-timeout', message: 'Too late.' } },
    ],
  });
  const reason = { code: 'matrix-partial', message: 'Some failed.' };
  await activities.recordSteps({
    promotion,
    steps: [{ stepId: 'each', state: 'partial', reason }],
  });
  const { verified, bytes, root } = await seal(course, 'failed');
  expect(verified.problems).toEqual([]);
  expect(bytes.byteLength).toBeLessThan(100_000);
  const [each, rest] = root.predicate.steps;
  expect(each).toMatchObject({
    id: 'each',
    state: 'partial',
    members: { round: 1, count: 10_000, states: { succeeded: 9990, failed: 1, skipped: 9 } },
  });
  expect(rest).toMatchObject({ id: 'rest', state: 'skipped' });
  expect(rest).not.toHaveProperty('members');
  const list = await room.evidence.getBytes(String(each?.members?.digest), { maxBytes: 1e7 });
  const { members } = JSON.parse(new TextDecoder().decode(list)) as MemberList;
  expect(members[0]).toEqual(['0', 'succeeded', null]);
  expect(members[9999]).toEqual(['9999', 'failed', 'step-timeout']);
  const open = await room.scene.database.query(
    `select count(*)::int as n from sluice.step_members where promotion_id = $1 and state in ('pending', 'running')`,
    [promotionId],
  );
  expect(open).toEqual([{ n: 0 }]);
});

test('a success that bore failures names what runs only where it was confirmed and stayed', async () => {
  const course = await room.begin({ steps: [{ id: 'rest', type: 'noop@1' }] });
  const { promotionId } = course.promotion;
  await withTenant(room.scene.worker, SCENE_TENANT, async (tx) => {
    for (const target of targets) {
      const planDigest = await insertPlan(tx, {
        schema: 'sluice.plan/v1',
        target,
        current: null,
        desired: { release: room.release, components: [], settings: {} },
      });
      await upsertDeployment(tx, { promotionId, target, planDigest });
      await setDeploymentState(tx, { promotionId, target, state: 'dispatched' });
    }
    await setDeploymentState(tx, { promotionId, target: 'dev-1', state: 'confirmed' });
    await setDeploymentState(tx, { promotionId, target: 'dev-2', state: 'confirmed' });
    await setDeploymentState(tx, { promotionId, target: 'dev-2', state: 'reverted' });
  });
  await room.activities([createNoopStep()]).executeStep(course.input('rest'));
  const { verified } = await seal(course, 'succeeded');
  expect(verified.problems).toEqual([]);
  const current = await withTenant(room.scene.worker, SCENE_TENANT, (tx) =>
    listCurrentReleases(tx, targets),
  );
  expect(current.map(({ target, releaseDigest }) => [target, releaseDigest])).toEqual([
    ['dev-1', room.release],
  ]);
});

test('of very many targets some hundred share a statement, and the packet verifies', async () => {
  const many = Array.from({ length: 1100 }, (_, index) => `t-${String(index).padStart(4, '0')}`);
  await room.scene.database.query(
    `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, health)
     select tenant_id, name, environment_id, kind, address, health
       from sluice.targets, unnest($1::text[]) as name where target_id = 'dev-1'`,
    [many],
  );
  const course = await room.begin({ steps: [{ id: 'rest', type: 'noop@1' }] });
  const { promotionId } = course.promotion;
  await withTenant(room.scene.worker, SCENE_TENANT, async (tx) => {
    const planDigest = await insertPlan(tx, {
      schema: 'sluice.plan/v1',
      target: 'dev-1',
      current: null,
      desired: { release: room.release, components: [], settings: {} },
    });
    const parts = many.map((target) => ({ target, planDigest }));
    await upsertDeployments(tx, promotionId, parts);
  });
  await room.scene.database.query(
    `update sluice.deployments set state = 'confirmed' where promotion_id = $1`,
    [promotionId],
  );
  await room.activities([createNoopStep()]).executeStep(course.input('rest'));
  const { verified, bytes } = await seal(course, 'succeeded');
  expect(verified.problems).toEqual([]);
  const packet = JSON.parse(new TextDecoder().decode(bytes)) as {
    statements: { payload: string }[];
  };
  const predicates = packet.statements.map(
    ({ payload }) =>
      (
        JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as {
          predicate: { targets: { target: string }[]; document: string };
        }
      ).predicate,
  );
  expect(predicates.map(({ targets: some }) => some.length)).toEqual([500, 500, 100]);
  const document = await room.evidence.getBytes(String(predicates[2]?.document), { maxBytes: 1e7 });
  expect(JSON.parse(new TextDecoder().decode(document))).toMatchObject({
    schema: 'sluice.deployments/v1',
    deployments: expect.arrayContaining([
      {
        target: 't-1099',
        state: 'confirmed',
        planDigest: expect.any(String),
        failure: null,
        commands: [],
      },
    ]),
  });
  const current = await withTenant(room.scene.worker, SCENE_TENANT, (tx) =>
    listCurrentReleases(tx, many),
  );
  expect(current).toHaveLength(1100);
});
