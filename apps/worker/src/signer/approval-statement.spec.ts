import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { SCENE_TENANT } from '@sluice/activities/testing';
import { PREDICATE_TYPES } from '@sluice/domain';
import { markSuperseded } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import {
  type ApprovalPredicate,
  composePromotionStatement,
  composeStatement,
} from '@sluice/signing';
import { signStatement } from './statement-signing.ts';
import { createSignerScene, type Prepared, type SignerScene } from './testing/signer-scene.ts';

let it: SignerScene;
let release: string;
let prepared: Prepared;
beforeAll(async () => {
  it = await createSignerScene();
  release = await it.scene.addRelease('1.0.0');
});
afterAll(() => it.scene.database.drop());
beforeEach(async () => {
  const approval = { count: 1, roles: ['approver' as const], deadlineSeconds: 60 };
  prepared = await it.prepare({ releaseDigest: release, rules: { approval } });
});

test('an approval as the API stored it is signed, whatever came of the request meanwhile', async () => {
  await it.ask(prepared, 'waiting');
  const approvalId = await it.approve(prepared, { comment: 'Good.' });
  expect(await sign(approvalId, { comment: 'Good.' })).toBe('signed');
});

test('one that was given while its plan became stale is signed as what it was', async () => {
  await it.ask(prepared, 'waiting');
  const approvalId = await it.approve(prepared);
  await it.ask(await it.planAgain(prepared, 2), 'waiting', 2);
  expect(await sign(approvalId)).toBe('signed');
  expect(await sign(approvalId, { round: 2 })).toBe('approval-not-asked');
});

test.each<[string, Partial<ApprovalPredicate>, string]>([
  ['an approval that nobody gave', { approvalId: 'bob/other' }, 'approval-unknown'],
  ['another decision', { decision: 'reject' }, 'approval-differs'],
  ['another comment', { comment: 'Other words.' }, 'approval-differs'],
  ['another person', { person: 'carol' }, 'approval-differs'],
  ['another role', { role: 'admin' }, 'approval-differs'],
  ['another plan', { planDigest: digestOfBytes('other') }, 'approval-differs'],
  ['another round', { round: 2 }, 'approval-not-asked'],
  ['after the deadline', { decidedAt: '2099-01-01T00:00:00Z' }, 'approval-not-asked'],
  ['before it was given', { decidedAt: '2020-01-01T00:00:00Z' }, 'approval-not-asked'],
])('%s is refused', async (_what, changed, code) => {
  await it.ask(prepared, 'waiting');
  expect(await sign(await it.approve(prepared), changed)).toBe(code);
});

test('without a request, by the requester, and by a service account it is refused', async () => {
  expect(await sign(await it.approve(prepared))).toBe('approval-not-asked');
  await it.ask(prepared, 'waiting');
  const own = { principalId: 'alice', personId: 'alice' };
  const principal = { principal: 'alice', person: 'alice' };
  expect(await sign(await it.approve(prepared, own), principal)).toBe('approver-is-requester');
  const bot = { principalId: 'alice-bot', personId: 'bob', kind: 'service' as const };
  const account = { principal: 'alice-bot', person: 'bob' };
  expect(await sign(await it.approve(prepared, bot, 2), account)).toBe('approver-not-a-person');
});

test('a success that its rules ask approval for needs one, as it was given', async () => {
  expect(await seal(prepared)).toBe('approval-missing');
  await it.ask(prepared);
  expect(await seal(prepared)).toBe('approval-missing');
  await it.approve(prepared, { principalId: 'alice' });
  expect(await seal(prepared)).toBe('approval-missing');
  await it.approve(prepared);
  const set = (to: string) =>
    it.scene.database.query(
      `update sluice.principals set disabled_at = ${to} where principal_id = 'bob'`,
    );
  await set('now()');
  expect(await seal(prepared)).toBe('signed');
  await set('null');
  await it.approve(prepared, { principalId: 'carol', decision: 'reject' });
  expect(await seal(prepared)).toBe('approval-rejected');
});

test.each([
  ['rules that asked nobody', { rules: { approval: null } }],
  ['no rules', { rules: undefined }],
  ['another kind', { kind: 'rollback' }],
  ['another requester', { requestedBy: 'bob' }],
  ['what a rollback would be asked for', { rollback: { to: 'nothing', reason: 'it broke' } }],
])('a success that is told with %s is refused', async (_what, changed) => {
  await it.ask(prepared);
  await it.approve(prepared);
  expect(await seal(prepared, changed)).toBe('facts-differ');
});

test.each([
  ['nothing of what was asked', undefined],
  ['no words of it', null],
  ['another destination', { to: 'nothing', reason: 'it broke' }],
  ['another reason', { to: 'release', reason: 'routine' }],
  ['more than was asked', { to: 'release', reason: 'it broke', by: 'bob' }],
])('a rollback that is told with %s is refused, whatever it came to', async (_what, rollback) => {
  const asked = await it.prepare({ releaseDigest: release, kind: 'rollback' });
  expect(await seal(asked)).toBe('signed');
  expect(await seal(asked, { rollback })).toBe('facts-differ');
  const failed = { state: 'failed', reason: { code: 'why', message: 'Because.' } };
  expect(await seal(asked, failed)).toBe('signed');
  expect(await seal(asked, { ...failed, rollback })).toBe('facts-differ');
});

test('whoever a rollback superseded has not succeeded', async () => {
  const plain = await it.prepare({ releaseDigest: release });
  const rollback = await it.prepare({ releaseDigest: release, kind: 'rollback' });
  expect(await seal(plain)).toBe('signed');
  const { promotionId } = plain.promotion;
  const by = rollback.promotion.promotionId;
  await it.asWorker((tx) => markSuperseded(tx, { promotionId, by }));
  expect(await seal(plain)).toBe('promotion-superseded');
  expect(await seal(rollback)).toBe('signed');
});

async function sign(approvalId: string, changed: Partial<ApprovalPredicate> = {}): Promise<string> {
  const predicate = {
    approvalId,
    principal: 'bob',
    person: 'bob',
    role: 'approver',
    decision: 'approve',
    comment: '',
    planDigest: prepared.planSetDigest,
    round: 1,
    decidedAt: new Date().toISOString(),
    ...changed,
  };
  return answerOf(
    prepared,
    composeStatement(PREDICATE_TYPES.approval, contextOf(prepared), predicate),
  );
}

async function seal(sealed: Prepared, changed: object = {}): Promise<string> {
  const { environment, kind, requestedBy, rules } = sealed.promotion;
  const facts = {
    state: 'succeeded' as const,
    reason: null,
    endedAt: '2026-11-21T12:00:00Z',
    ...{ environment, kind, requestedBy, rules, supersededBy: null },
    ...(kind === 'rollback' ? { rollback: { to: 'release', reason: 'it broke' } } : {}),
    ...changed,
  };
  return answerOf(sealed, composePromotionStatement(contextOf(sealed), facts, []));
}

function contextOf({ promotion: { promotionId } }: Prepared) {
  return { promotionId, release: { name: 'hello', version: '1.0.0', digest: release } };
}

async function answerOf(
  { promotion: { promotionId } }: Prepared,
  statement: Parameters<typeof signStatement>[2]['statement'],
): Promise<string> {
  const request = { tenantId: SCENE_TENANT, promotionId, statement };
  const answer = await signStatement(it.signer, it.keyPair, request);
  return answer.ok ? 'signed' : answer.refusal.code;
}
