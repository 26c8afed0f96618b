import { expect, test } from '@jest/globals';
import {
  COURSE_SCHEMA,
  type EvidencePacket,
  PREDICATE_TYPES,
  type Statement,
} from '@sluice/domain';
import { type ApprovalPredicate, readApprovalPredicate } from './approval-predicate.ts';
import { createStatementEnvelope } from './dsse.ts';
import { generateKeyPair } from './key-pair.ts';
import { type PromotionFacts, packetText, sealPacket } from './packet.ts';
import { checkStatement, composeStatement } from './statement.ts';
import { createTrustRoot } from './trust-root.ts';
import { verifyPacket } from './verify-packet.ts';

const pair = generateKeyPair();
const trustRoot = createTrustRoot([
  { publicKey: pair.publicKey, use: 'evidence', notBefore: '2026-01-01T00:00:00Z' },
]);
const plan = `sha256:${'cd'.repeat(32)}`;
const context = {
  promotionId: 'prod/1',
  release: { name: 'shop', version: '1.0.0', digest: `sha256:${'ab'.repeat(32)}` },
};
const facts: PromotionFacts = {
  state: 'succeeded',
  reason: null,
  endedAt: '2026-11-21T12:00:00Z',
  kind: 'promote',
  plan,
  rules: {
    approval: { count: 2, roles: ['approver', 'admin'], deadlineSeconds: 60 },
    requester: { principalId: 'alice', personId: 'alice' },
  },
};

function approval(changed: Partial<ApprovalPredicate> = {}): Statement {
  const principal = changed.principal ?? 'bob';
  return composeStatement(PREDICATE_TYPES.approval, context, {
    approvalId: `${principal}/key-1`,
    principal,
    person: principal,
    role: 'approver',
    decision: 'approve',
    comment: 'Looks good.',
    planDigest: plan,
    round: 1,
    decidedAt: '2026-11-21T11:59:00Z',
    ...changed,
  });
}

function problemsOf(statements: readonly Statement[], changed: object = {}): string[] {
  const packet = sealPacket(context, { ...facts, ...changed }, statements, pair);
  return codesOf(packet);
}

function codesOf(packet: EvidencePacket): string[] {
  return verifyPacket(packetText(packet), trustRoot).problems.map(
    ({ statement, code }) => `${statement}: ${code}`,
  );
}

test('a packet with enough approvals verifies offline and says who approved', () => {
  const packet = sealPacket(context, facts, [approval(), approval({ principal: 'carol' })], pair);
  const verified = verifyPacket(packetText(packet), trustRoot);
  expect(verified.problems).toEqual([]);
  expect(verified.promotion?.approvals.map(({ person }) => person)).toEqual(['bob', 'carol']);
});

test('a changed approval is refused, and named', () => {
  const packet = sealPacket(context, facts, [approval(), approval({ principal: 'carol' })], pair);
  const [first, second] = packet.statements;
  const payload = Buffer.from(second?.payload ?? '', 'base64').toString();
  const changed = Buffer.from(payload.replace('Looks good.', 'Looks fine.')).toString('base64');
  const forged = { ...packet, statements: [first, { ...second, payload: changed }] };
  expect(codesOf(forged as EvidencePacket)).toContain(
    'statements[1] (urn:sluice:approval:v1): signature-invalid',
  );
  const resigned = createStatementEnvelope(
    approval({ principal: 'carol', comment: 'Other words.' }),
    pair,
  );
  const swapped = { ...packet, statements: [first, resigned] };
  expect(codesOf(swapped as EvidencePacket)).toEqual([
    'statements[1] (urn:sluice:approval:v1): not-listed',
  ]);
});

test.each<[string, readonly Statement[]]>([
  ['no approval', []],
  ['one of two', [approval()]],
  ['one person twice', [approval(), approval({ approvalId: 'bob/key-2' })]],
  ['the requester', [approval(), approval({ principal: 'alice' })]],
  [
    "the requester's service account",
    [approval(), approval({ principal: 'alice-bot', person: 'alice' })],
  ],
  ['a role that is not asked', [approval(), approval({ principal: 'carol', role: 'viewer' })]],
  [
    'a rejection',
    [
      approval(),
      approval({ principal: 'carol' }),
      approval({ principal: 'dan', decision: 'reject' }),
    ],
  ],
  [
    'another plan',
    [approval(), approval({ principal: 'carol', planDigest: `sha256:${'ee'.repeat(32)}` })],
  ],
  ['another round', [approval(), approval({ principal: 'carol', round: 2 })]],
])('a success with %s is no success', (_what, statements) => {
  expect(problemsOf(statements)).toEqual(['root: approval-missing']);
});

test('what did not succeed, a rollback, and rules that ask nobody need no approval', () => {
  expect(problemsOf([], { state: 'denied' })).toEqual([]);
  expect(problemsOf([], { kind: 'rollback' })).toEqual([]);
  expect(problemsOf([], { rules: { approval: null } })).toEqual([]);
  expect(problemsOf([], { rules: null })).toEqual([]);
});

/** A pipeline of a team's own: `eu` deploys at once, `us` once people have approved. */
const COURSE = {
  schema: COURSE_SCHEMA,
  steps: [
    { id: 'plan', type: 'plan@1', needs: [] },
    { id: 'eu', type: 'deploy@1', needs: ['plan'], changesTargets: true },
    { id: 'ask', type: 'approval@1', needs: ['plan'] },
    { id: 'pause', type: 'wait@1', needs: ['ask'] },
    { id: 'us', type: 'deploy@1', needs: ['pause'], changesTargets: true },
  ],
};

const deployment = composeStatement(PREDICATE_TYPES.deployment, context, {
  target: 'dev-1',
  planDigest: plan,
  state: 'confirmed',
});

test.each<[string, Record<string, string>, readonly Statement[], object, string[]]>([
  ['skipped, and nothing deployed', { eu: 'skipped', ask: 'skipped', us: 'skipped' }, [], {}, []],
  [
    'skipped, and what needs none deployed',
    { ask: 'skipped', us: 'skipped' },
    [deployment],
    {},
    [],
  ],
  ['skipped, and what needs it deployed', { ask: 'skipped' }, [deployment], {}, ['missing']],
  ['skipped, and what needs it failed', { ask: 'skipped', us: 'failed' }, [], {}, ['missing']],
  ['given, by its step, and not there', { us: 'skipped', eu: 'skipped' }, [], {}, ['missing']],
  [
    'skipped, and deployed by nothing that ran',
    { eu: 'skipped', ask: 'skipped', us: 'skipped' },
    [deployment],
    {},
    ['missing'],
  ],
  [
    'skipped, with steps that cannot be read',
    { ask: 'skipped' },
    [],
    { steps: 'none' },
    ['missing'],
  ],
  [
    'skipped, in a pipeline that cannot be read',
    { ask: 'skipped', eu: 'skipped', us: 'skipped' },
    [],
    { rules: { ...(facts['rules'] as object), pipeline: { ...COURSE, steps: [{ id: 'x' }] } } },
    ['missing'],
  ],
])('an approval that is %s', (_what, states, statements, changed, problems) => {
  const steps = COURSE.steps.map(({ id }) => ({ id, state: states[id] ?? 'succeeded' }));
  const rules = { ...(facts['rules'] as object), pipeline: COURSE };
  const codes = problems.map((code) => `root: approval-${code}`);
  expect(problemsOf(statements, { rules, steps, ...changed })).toEqual(codes);
});

test('rules whose approval cannot be read fail closed', () => {
  expect(problemsOf([approval()], { rules: { approval: 'no' } })).toEqual([
    'root: approval-missing',
  ]);
  const none = { approval: { count: 0, roles: [] } };
  expect(problemsOf([approval()], { rules: none })).toEqual(['root: approval-missing']);
});

test.each<[string, object]>([
  ['a field too many', { more: 1 }],
  ['another decision', { decision: 'abstain' }],
  ['another role', { role: 'king' }],
  ['no digest', { planDigest: 'plan' }],
  ['no round', { round: 0 }],
  ['no instant', { decidedAt: 'yesterday' }],
  ["somebody else's approval", { approvalId: 'carol/key-1' }],
  ['a long comment', { comment: 'x'.repeat(2001) }],
])('%s is no approval', (_what, changed) => {
  const malformed = approval(changed as Partial<ApprovalPredicate>);
  expect(checkStatement(malformed)).toMatchObject({
    ok: false,
    refusal: { code: 'statement-malformed' },
  });
  expect(readApprovalPredicate(malformed)).toBeUndefined();
});
