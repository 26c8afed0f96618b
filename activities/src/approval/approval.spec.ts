import { afterAll, beforeEach, expect, test } from '@jest/globals';
import {
  APPROVED_PIPELINE,
  composePlanSet,
  type EnvironmentRules,
  PREDICATE_TYPES,
} from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  findApproval,
  findApprovalRequest,
  getPromotion,
  insertApproval,
  insertPlanSet,
  listEvents,
  listStatements,
  listSteps,
  setPromotionState,
  setStepState,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { readStatement } from '@sluice/signing';
import type { ApprovalRound, DecideApprovalInput } from '@sluice/temporal-contract';
import { createRulesActivities } from '../records/rules.activities.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner } from '../testing/in-memory-signer.ts';
import { createPromotionScene, SCENE_TENANT } from '../testing/promotion-scene.ts';
import { createApprovalActivities } from './approval.activities.ts';

const approval: EnvironmentRules['approval'] = {
  count: 1,
  roles: ['approver'],
  deadlineSeconds: 600,
};
const scene = await createPromotionScene({
  pipeline: APPROVED_PIPELINE,
  environment: { approval },
});
const release = await scene.addRelease('1.0.0');
const deadline = '2099-01-01T00:00:00Z';
const signer = createInMemorySigner();
const parts = {
  pool: scene.worker,
  signer,
  logger: createLogger({ service: 'test', level: 'silent' }),
  scope: () => createFakeScope(),
};
const { openApproval, recordApproval, closeApproval } = createApprovalActivities(parts);
afterAll(() => scene.database.drop());

let round: ApprovalRound;
beforeEach(async () => {
  const { promotionId } = await scene.addPromotion(release);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await createRulesActivities(parts).freezeRules({ promotion });
  const planDigest = await inTenant(async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    const planSet = composePlanSet(promotionId, release, []);
    return insertPlanSet(tx, { promotionId, round: 1, planSet });
  });
  round = { promotion, stepId: 'approval', round: 1, releaseDigest: release, planDigest };
});

test('asking stores the request once, and step and promotion wait', async () => {
  await openApproval({ ...round, deadline });
  await openApproval({ ...round, deadline });
  expect(await request()).toMatchObject({
    state: 'waiting',
    round: 1,
    rule: approval,
    requesterPersonId: 'alice',
    planDigest: round.planDigest,
  });
  expect(await states()).toEqual({ promotion: 'waiting', step: 'waiting' });
  expect(await types()).toEqual([
    'lease.queued',
    'promotion.state-changed',
    'step.state-changed',
    'promotion.state-changed',
    'approval.requested',
  ]);
});

test('out of the queue it passes through running', async () => {
  const { promotionId } = round.promotion;
  await inTenant((tx) => setPromotionState(tx, { promotionId, state: 'queued' }));
  await openApproval({ ...round, deadline });
  expect(await states()).toEqual({ promotion: 'waiting', step: 'waiting' });
});

test.each([
  ['plan', { planDigest: digestOfBytes('other') }],
  ['round', { round: 2 }],
  ['release', { releaseDigest: digestOfBytes('other') }],
])('another %s than the stored one is not asked for', async (_what, changed) => {
  await expect(openApproval({ ...round, ...changed, deadline })).rejects.toMatchObject({
    type: 'Integrity',
  });
  expect(await request()).toBeUndefined();
});

test('an ended promotion asks nobody', async () => {
  const { promotionId } = round.promotion;
  await inTenant((tx) => setPromotionState(tx, { promotionId, state: 'cancelled' }));
  await expect(openApproval({ ...round, deadline })).rejects.toMatchObject({
    type: 'IllegalTransition',
  });
});

test('a decision is signed as the API stored it, recorded once, and stands for a run that was reset', async () => {
  expect(await openApproval({ ...round, deadline })).toEqual({ votes: [] });
  const ballot = await decide();
  const decidedAt = '2026-11-21T12:00:00.000Z';
  await recordApproval({ ...round, ballot, decidedAt });
  await recordApproval({ ...round, ballot, decidedAt });
  const stored = await inTenant((tx) => findApproval(tx, ballot.approvalId));
  expect(stored).toMatchObject({ state: 'recorded', round: 1 });
  const statements = await inTenant((tx) => listStatements(tx, round.promotion.promotionId));
  expect(statements).toHaveLength(1);
  expect(statements[0]).toMatchObject({
    statementDigest: stored?.statementDigest,
    stepId: 'approval',
    predicateType: PREDICATE_TYPES.approval,
  });
  const payload = Buffer.from(statements[0]?.envelope.payload ?? '', 'base64');
  expect(readStatement(new Uint8Array(payload))).toMatchObject({
    ok: true,
    value: {
      releaseDigest: release,
      statement: {
        predicate: {
          promotionId: round.promotion.promotionId,
          approvalId: ballot.approvalId,
          principal: 'bob',
          person: 'bob',
          role: 'approver',
          decision: 'approve',
          comment: 'Fine.',
          planDigest: round.planDigest,
          round: 1,
          decidedAt,
        },
      },
    },
  });
  expect((await types()).filter((type) => type === 'approval.recorded')).toHaveLength(1);
  const votes = [{ personId: 'bob', decision: 'approve' }];
  expect(await openApproval({ ...round, deadline })).toEqual({ votes });
});

test('two attempts at the same instant record one decision', async () => {
  await openApproval({ ...round, deadline });
  const ballot = await decide();
  const input = { ...round, ballot, decidedAt: '2026-11-21T12:00:00.000Z' };
  await Promise.all([recordApproval(input), recordApproval(input), recordApproval(input)]);
  expect((await types()).filter((type) => type === 'approval.recorded')).toHaveLength(1);
});

test('a decision that the API did not store, or stored otherwise, is none', async () => {
  await openApproval({ ...round, deadline });
  const ballot = await decide();
  const decidedAt = '2026-11-21T12:00:00.000Z';
  for (const changed of [
    { approvalId: 'bob/other' },
    { decision: 'reject' as const },
    { planDigest: digestOfBytes('other') },
    { voter: { ...ballot.voter, role: 'admin' as const } },
  ]) {
    await expect(
      recordApproval({ ...round, ballot: { ...ballot, ...changed }, decidedAt }),
    ).rejects.toMatchObject({ type: 'Integrity' });
  }
});

test('nothing is added to a promotion that has ended', async () => {
  await openApproval({ ...round, deadline });
  const ballot = await decide();
  const { promotionId } = round.promotion;
  await inTenant((tx) => setPromotionState(tx, { promotionId, state: 'cancelled' }));
  await expect(
    recordApproval({ ...round, ballot, decidedAt: '2026-11-21T12:00:00.000Z' }),
  ).rejects.toMatchObject({ type: 'IllegalTransition' });
  expect(await inTenant((tx) => listStatements(tx, promotionId))).toEqual([]);
});

const because = (code: string) => ({ code, message: 'Because.' });
test.each([
  ['approved', null, 'succeeded'],
  ['rejected', because('approval-rejected'), 'failed'],
  ['expired', because('approval-deadline-exceeded'), 'failed'],
  ['withdrawn', because('plan-stale'), 'pending'],
  ['withdrawn', because('cancelled'), 'cancelled'],
] as const)('closed as %s (%j): the step is %s', async (state, reason, step) => {
  await openApproval({ ...round, deadline });
  await closeApproval({ ...round, state, reason });
  await closeApproval({ ...round, state: 'withdrawn', reason: because('late') });
  expect(await request()).toMatchObject({ state, reason });
  expect(await states()).toEqual({ promotion: 'running', step });
  expect((await types()).filter((type) => type === 'approval.closed')).toHaveLength(1);
});

test('what the interpreter said of the step stands', async () => {
  const { promotionId } = round.promotion;
  await openApproval({ ...round, deadline });
  await inTenant((tx) => setStepState(tx, { promotionId, stepId: 'approval', state: 'cancelled' }));
  await closeApproval({ ...round, state: 'approved', reason: null });
  expect(await request()).toMatchObject({ state: 'approved' });
  expect(await states()).toMatchObject({ step: 'cancelled' });
});

let keys = 0;
async function decide(): Promise<DecideApprovalInput> {
  keys += 1;
  const said = {
    approvalId: `bob/key-${keys}`,
    decision: 'approve' as const,
    comment: 'Fine.',
    releaseDigest: release,
    planDigest: round.planDigest,
  };
  const voter = { principalId: 'bob', personId: 'bob', kind: 'person', role: 'approver' } as const;
  const { promotionId } = round.promotion;
  await withTenant(scene.app, SCENE_TENANT, (tx) =>
    insertApproval(tx, { ...said, ...voter, promotionId }),
  );
  return { ...said, voter };
}

function inTenant<T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> {
  return withTenant(scene.worker, SCENE_TENANT, work);
}

function request() {
  return inTenant((tx) => findApprovalRequest(tx, round.promotion.promotionId));
}

async function states(): Promise<{ promotion: string; step: string | undefined }> {
  const { promotionId } = round.promotion;
  const steps = await inTenant((tx) => listSteps(tx, promotionId));
  return {
    promotion: (await inTenant((tx) => getPromotion(tx, promotionId))).state,
    step: steps.find(({ stepId }) => stepId === 'approval')?.state,
  };
}

async function types(): Promise<readonly string[]> {
  const { promotionId } = round.promotion;
  const { edges } = await inTenant((tx) => listEvents(tx, { first: 100, promotionId }));
  return edges.map(({ node }) => node.type);
}
