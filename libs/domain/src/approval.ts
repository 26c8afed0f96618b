import { accepted, type Outcome, refused } from './domain-error.ts';
import type { Role } from './role.ts';

/** Who must say yes before a promotion may have effects in an environment. */
export interface ApprovalRule {
  /** Different people who must approve; at least 1. One rejection ends the promotion. */
  readonly count: number;
  /** Roles whose holders are eligible. */
  readonly roles: readonly Role[];
  /** How long an approval may be waited for. Seconds. */
  readonly deadlineSeconds: number;
}

/** What holds where an environment asks for approval and names nothing else. */
export const DEFAULT_APPROVAL_RULE: ApprovalRule = {
  count: 1,
  roles: ['admin', 'approver'],
  deadlineSeconds: 24 * 3600,
};

/** What an approver can say. */
export const APPROVAL_DECISIONS = ['approve', 'reject'] as const;

/** One of {@link APPROVAL_DECISIONS}. */
export type ApprovalDecision = (typeof APPROVAL_DECISIONS)[number];

/** States of a request for approval: one per round of planning. */
export const APPROVAL_STATES = ['waiting', 'approved', 'rejected', 'expired', 'withdrawn'] as const;

/** One of {@link APPROVAL_STATES}; `withdrawn` when the promotion ended or was planned again meanwhile. */
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** Kinds of principal. Only a person can approve. */
export const PRINCIPAL_KINDS = ['person', 'service'] as const;

/** One of {@link PRINCIPAL_KINDS}. */
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

/** Who decides, as the API authenticated them. */
export interface Voter {
  readonly principalId: string;
  /** The person behind the principal: itself, or the owner of a service account. */
  readonly personId: string;
  readonly kind: PrincipalKind;
  readonly role: Role;
}

/** One decision that was admitted. */
export interface Vote {
  readonly personId: string;
  readonly decision: ApprovalDecision;
}

/** What an approver says, bound to what they looked at. */
export interface Ballot {
  readonly voter: Voter;
  readonly decision: ApprovalDecision;
  readonly releaseDigest: string;
  /** Digest of the plan set that they saw. */
  readonly planDigest: string;
}

/** What is asked for, and what was said so far. */
export interface ApprovalFacts {
  readonly state: ApprovalState;
  readonly rule: ApprovalRule;
  /** The person who asked for the promotion. */
  readonly requesterPersonId: string;
  readonly releaseDigest: string;
  readonly planDigest: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  readonly votes: readonly Vote[];
}

/** Codes with which {@link admitApproval} refuses. */
export const APPROVAL_REFUSALS = [
  'approval-not-open',
  'approval-closed',
  'approval-late',
  'approver-not-a-person',
  'approver-is-requester',
  'approver-not-eligible',
  'approval-duplicate',
  'approval-wrong-release',
  'approval-wrong-plan',
] as const;

/**
 * Whether a decision counts; synchronous and pure, so that the workflow's validator, the API and the signer ask the same.
 * @param facts undefined while no approval is asked for
 * @param now milliseconds since the epoch
 */
export function admitApproval(
  facts: ApprovalFacts | undefined,
  { voter, releaseDigest, planDigest }: Ballot,
  now: number,
): Outcome<true> {
  if (facts === undefined) {
    return refused(
      'approval-not-open',
      'This promotion does not wait for an approval now; look at its steps.',
    );
  }
  if (facts.state === 'expired' || (facts.state === 'waiting' && now >= facts.deadline)) {
    const until = new Date(facts.deadline).toISOString();
    return refused('approval-late', `The approval had to be there by ${until}; promote again.`);
  }
  if (facts.state === 'withdrawn') {
    return refused('approval-closed', 'It was taken back; decide when it asks again.');
  }
  if (facts.state !== 'waiting') {
    return refused('approval-closed', `It is decided already: ${facts.state}.`);
  }
  const { rule, requesterPersonId, votes } = facts;
  if (voter.kind !== 'person') {
    return refused(
      'approver-not-a-person',
      `${voter.principalId} is a service account; a person must decide, with a token of their own.`,
    );
  }
  if (voter.personId === requesterPersonId) {
    return refused(
      'approver-is-requester',
      `${voter.personId} asked for this promotion; somebody else must decide.`,
    );
  }
  if (!rule.roles.includes(voter.role)) {
    return refused(
      'approver-not-eligible',
      `${voter.principalId} is ${voter.role}; this environment wants ${rule.roles.join(' or ')}.`,
    );
  }
  if (votes.some(({ personId }) => personId === voter.personId)) {
    return refused('approval-duplicate', `${voter.personId} has decided already.`);
  }
  if (releaseDigest !== facts.releaseDigest) {
    return refused(
      'approval-wrong-release',
      `The promotion is of ${facts.releaseDigest}, not of ${releaseDigest}; look at it again.`,
    );
  }
  if (planDigest !== facts.planDigest) {
    return refused(
      'approval-wrong-plan',
      `The plan is ${facts.planDigest} now, not ${planDigest}; look at the difference again.`,
    );
  }
  return accepted(true);
}

/** Where the decisions of one round have come to: one rejection decides, else the rule's count of different people. */
export function tallyVotes(
  rule: ApprovalRule,
  votes: readonly Vote[],
): 'waiting' | 'approved' | 'rejected' {
  if (votes.some(({ decision }) => decision === 'reject')) return 'rejected';
  const people = new Set(votes.map(({ personId }) => personId));
  return people.size >= rule.count ? 'approved' : 'waiting';
}
