import {
  type ApprovalFacts,
  admitApproval,
  isPermitted,
  type Refusal,
  type Voter,
} from '@sluice/domain';
import { type ApprovalRecord, type ApprovalRequestRecord, votesOn } from '@sluice/persistence';

/** What the records say about a round, in the form in which the domain decides. */
export function approvalFactsOf(
  request: ApprovalRequestRecord,
  said: readonly ApprovalRecord[],
): ApprovalFacts {
  return {
    state: request.state,
    rule: request.rule,
    requesterPersonId: request.requesterPersonId,
    releaseDigest: request.releaseDigest,
    planDigest: request.planDigest,
    deadline: Date.parse(request.deadline),
    votes: votesOn(request, said).map(({ personId, decision }) => ({ personId, decision })),
  };
}

/**
 * Why somebody could not decide a request as it stands, undefined when they could. The workflow asks the same rule when
 * they do decide; this is for showing.
 * @param now milliseconds since the epoch
 */
export function findBlock(facts: ApprovalFacts, voter: Voter, now: number): Refusal | undefined {
  const { releaseDigest, planDigest } = facts;
  const ballot = { voter, decision: 'approve', releaseDigest, planDigest } as const;
  const admitted = admitApproval(facts, ballot, now);
  if (!admitted.ok) return admitted.refusal;
  if (isPermitted(voter.role, 'promotion.decide')) return undefined;
  return {
    code: 'not-permitted',
    message: `${voter.principalId} is ${voter.role}, which does not hold the permission promotion.decide.`,
  };
}

/** True when a request is, or was, put to somebody: they could say yes or no to it while it waited. */
export function isAskedOf(request: ApprovalRequestRecord, voter: Voter): boolean {
  const facts = { ...approvalFactsOf(request, []), state: 'waiting' } as const;
  return findBlock(facts, voter, facts.deadline - 1) === undefined;
}
