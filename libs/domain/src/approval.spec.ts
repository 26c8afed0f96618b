import { expect, test } from '@jest/globals';
import { type ApprovalFacts, admitApproval, DEFAULT_APPROVAL_RULE } from './approval.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const ballot = {
  voter: { principalId: 'bob', personId: 'bob', kind: 'person', role: 'approver' },
  decision: 'approve',
  releaseDigest: 'release',
  planDigest: 'plan',
  comment: '',
} as unknown as Parameters<typeof admitApproval>[1];
const facts: ApprovalFacts = {
  state: 'waiting',
  rule: DEFAULT_APPROVAL_RULE,
  requesterPersonId: 'alice',
  releaseDigest: 'release',
  planDigest: 'plan',
  deadline: now + 1000,
  votes: [],
};

test('a vote of somebody eligible, on what is asked, in time', () => {
  expect(admitApproval(facts, ballot, now)).toEqual({ ok: true, value: true });
});

test('a vote on a request that was withdrawn is told to wait for the next one', () => {
  const refusal = {
    code: 'approval-closed',
    message: 'It was taken back; decide when it asks again.',
  };
  expect(admitApproval({ ...facts, state: 'withdrawn' }, ballot, now)).toEqual({
    ok: false,
    refusal,
  });
});

test.each(['approved', 'rejected'] as const)('a vote on a request that is %s', (state) => {
  expect(admitApproval({ ...facts, state }, ballot, now)).toMatchObject({
    refusal: { code: 'approval-closed', message: `It is decided already: ${state}.` },
  });
});
