import {
  type ApprovalRule,
  DEFAULT_APPROVAL_RULE,
  type EnvironmentRules,
  hasStepOfType,
  type Role,
} from '@sluice/domain';
import {
  type ApprovalRecord,
  findApprovalRequest,
  findPlanSet,
  findPrincipal,
  listApprovalsOf,
  type PlanSetRecord,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import type { FrozenRules } from '@sluice/temporal-contract';
import { isRefusal, type Refused, refusal } from './refusal.ts';

/** Every approval rule that binds a promotion: what it froze, and what its environment asks for now. */
export function listApprovalRules(
  rules: FrozenRules,
  environment: EnvironmentRules,
): readonly ApprovalRule[] {
  const named = [rules.approval, environment.approval].filter(
    (rule): rule is ApprovalRule => rule !== null && rule !== undefined,
  );
  const asksWithoutRule = named.length === 0 && hasStepOfType(rules.pipeline, 'approval');
  return asksWithoutRule ? [DEFAULT_APPROVAL_RULE] : named;
}

/**
 * Why the people's decisions on the newest plan set are not enough; undefined when they are. The request's row is the
 * worker's word, so the decisions count that the API stored, each looked at as its author is now. Refusals:
 * `approval-missing`, `approval-wrong-plan`, `approval-rejected`, `approver-disabled`, `approver-not-a-person`,
 * `approver-is-requester`, `approver-not-eligible`.
 */
export async function findQuorumProblem(
  tx: Tx,
  promotion: PromotionRecord,
  asked: readonly ApprovalRule[],
  set: PlanSetRecord,
): Promise<Refused | undefined> {
  const decisions = await readDecisions(tx, promotion, set);
  return isRefusal(decisions) ? decisions : countPeople(tx, promotion, asked, decisions);
}

/**
 * As {@link findQuorumProblem}, by what the approvers were when they decided: for what has happened already, which nobody's
 * later leaving undoes.
 */
export async function findPastQuorumProblem(
  tx: Tx,
  promotion: PromotionRecord,
  rule: ApprovalRule,
): Promise<Refused | undefined> {
  const { promotionId, requestedPerson } = promotion;
  const set = await findPlanSet(tx, promotionId);
  if (set === undefined) return refusal('approval-missing', `${promotionId} was never planned.`);
  const decisions = await readDecisions(tx, promotion, set);
  if (isRefusal(decisions)) return decisions;
  const people = decisions
    .filter(({ kind, role }) => kind === 'person' && rule.roles.includes(role))
    .map(({ personId }) => personId)
    .filter((personId) => personId !== requestedPerson);
  return new Set(people).size >= rule.count
    ? undefined
    : refusal('approval-missing', `Not enough people approved ${promotionId}.`);
}

/** What was recorded about the newest plan set, once the request for it is approved and nobody rejected it. */
async function readDecisions(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  set: PlanSetRecord,
): Promise<readonly ApprovalRecord[] | Refused> {
  const request = await findApprovalRequest(tx, promotionId);
  if (request?.state !== 'approved') {
    const what = request === undefined ? 'nobody was asked' : `the request is ${request.state}`;
    return refusal('approval-missing', `${promotionId} needs an approval, but ${what}.`);
  }
  if (request.planDigest !== set.digest || request.round !== set.round) {
    const what = `${promotionId} was approved with the plan ${request.planDigest}, not with ${set.digest}.`;
    return refusal('approval-wrong-plan', what);
  }
  const decisions = (await listApprovalsOf(tx, [promotionId])).filter(
    (approval) =>
      approval.state === 'recorded' &&
      approval.planDigest === set.digest &&
      approval.round === set.round &&
      approval.releaseDigest === releaseDigest,
  );
  const rejection = decisions.find(({ decision }) => decision === 'reject');
  if (rejection !== undefined) {
    return refusal('approval-rejected', `${rejection.principalId} rejected ${promotionId}.`);
  }
  return decisions;
}

async function countPeople(
  tx: Tx,
  promotion: PromotionRecord,
  asked: readonly ApprovalRule[],
  decisions: readonly ApprovalRecord[],
): Promise<Refused | undefined> {
  const people = new Set<string>();
  let first: Refused | undefined;
  for (const decision of decisions) {
    const problem = await findApproverProblem(tx, promotion, asked, decision);
    if (problem === undefined) people.add(decision.personId);
    first ??= problem;
  }
  const count = Math.max(...asked.map((rule) => rule.count));
  if (people.size >= count) return undefined;
  const what = `${promotion.promotionId} has the approval of ${people.size} of ${count} people.`;
  return first ?? refusal('approval-missing', what);
}

/** Whoever approved must still be somebody who may. */
async function findApproverProblem(
  tx: Tx,
  { promotionId, requestedPerson }: PromotionRecord,
  asked: readonly ApprovalRule[],
  { principalId, personId, kind }: ApprovalRecord,
): Promise<Refused | undefined> {
  const principal = await findPrincipal(tx, principalId);
  if (principal === undefined || principal.disabledAt !== null) {
    const what = `${principalId}, who approved ${promotionId}, is no longer configured.`;
    return refusal('approver-disabled', what);
  }
  if (kind !== 'person' || principal.kind !== 'person' || personId !== principalId) {
    const what = `${principalId}, which approved ${promotionId}, is no person.`;
    return refusal('approver-not-a-person', what);
  }
  if (personId === requestedPerson) {
    return refusal(
      'approver-is-requester',
      `${personId} asked for ${promotionId} and approved it.`,
    );
  }
  const isEligible = asked.every((rule) => rule.roles.includes(principal.role satisfies Role));
  if (isEligible) return undefined;
  const what = `${principalId}, who approved ${promotionId}, is ${principal.role} now.`;
  return refusal('approver-not-eligible', what);
}
