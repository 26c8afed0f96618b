import {
  findApproval,
  listApprovalRequestsOf,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';
import {
  type ApprovalPredicate,
  parseInstant,
  type ReadStatement,
  readApprovalPredicate,
} from '@sluice/signing';
import { type Refused, refusal } from './refusal.ts';

/** How far the engine's clock may be from the database's. Milliseconds. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

/**
 * An approval is signed only as the API stored it when it authenticated its author, in the round that asked for this
 * plan and in its time. Refusals: `approval-unknown`, `approval-differs`, `approval-not-asked`, `approver-not-a-person`,
 * `approver-is-requester`.
 */
export async function findApprovalProblem(
  tx: Tx,
  promotion: PromotionRecord,
  { statement, releaseDigest }: ReadStatement,
): Promise<Refused | undefined> {
  const { promotionId, requestedPerson } = promotion;
  const said = readApprovalPredicate(statement);
  const stored = said === undefined ? undefined : await findApproval(tx, said.approvalId);
  if (said === undefined || stored === undefined || stored.promotionId !== promotionId) {
    return refusal('approval-unknown', `Nobody gave this approval of ${promotionId}.`);
  }
  const given: Omit<ApprovalPredicate, 'round' | 'decidedAt'> = {
    promotionId,
    approvalId: stored.approvalId,
    principal: stored.principalId,
    person: stored.personId,
    role: stored.role,
    decision: stored.decision,
    comment: stored.comment,
    planDigest: stored.planDigest,
  };
  const { round, decidedAt, ...rest } = said;
  if (canonicalJson(rest) !== canonicalJson(given) || stored.releaseDigest !== releaseDigest) {
    return refusal('approval-differs', `It is not what ${stored.principalId} said.`);
  }
  if (stored.kind !== 'person') {
    return refusal('approver-not-a-person', `${stored.principalId} is no person.`);
  }
  if (stored.personId === requestedPerson) {
    return refusal('approver-is-requester', `${stored.personId} asked for ${promotionId}.`);
  }
  // Any round: one that is given while its plan becomes stale was given all the same, and counts for nothing later.
  const rounds = await listApprovalRequestsOf(tx, [promotionId]);
  const at = parseInstant(decidedAt) ?? Number.NaN;
  const isAsked =
    at >= Date.parse(stored.askedAt) - CLOCK_TOLERANCE_MS &&
    rounds.some(
      (asked) =>
        asked.round === round &&
        asked.planDigest === said.planDigest &&
        at < Date.parse(asked.deadline),
    );
  return isAsked
    ? undefined
    : refusal(
        'approval-not-asked',
        `${promotionId} did not wait for it then: another round, another plan or too late.`,
      );
}
