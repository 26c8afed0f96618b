import {
  type ApprovalRule,
  DEFAULT_APPROVAL_RULE,
  type EnvironmentRules,
  isCourse,
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
  votesOn,
} from '@sluice/persistence';
import type { FrozenRules } from '@sluice/temporal-contract';
import { isRefusal, type Refused, refusal } from './refusal.ts';

/**
 * Every approval rule that binds a deployment: what its promotion froze, and what its environment asks for now.
 * @param isApproved whether an approval comes before the deployment; of a pipeline as data the frozen rule is about those alone
 */
export function listApprovalRules(
  { approval, pipeline }: FrozenRules,
  environment: EnvironmentRules,
  isApproved: boolean,
): readonly ApprovalRule[] {
  const frozen = isApproved || !isCourse(pipeline) ? approval : null;
  const named = [frozen, environment.approval].filter(
    (rule): rule is ApprovalRule => rule !== null && rule !== undefined,
  );
  return named.length === 0 && isApproved ? [DEFAULT_APPROVAL_RULE] : named;
}

/**
 * Why the people's decisions on the newest plan set are not enough; undefined when they are. They must be in each of the
 * approval steps that are named, whatever another branch waits for; where none is, in the newest request. The request's row is the
 * worker's word, so the decisions count that the API stored, each looked at as its author is now. Refusals:
 * `approval-missing`, `approval-wrong-plan`, `approval-rejected`, `approver-disabled`, `approver-not-a-person`,
 * `approver-is-requester`, `approver-not-eligible`.
 */
export async function findQuorumProblem(
  tx: Tx,
  promotion: PromotionRecord,
  asked: readonly ApprovalRule[],
  set: Pick<PlanSetRecord, 'digest' | 'round'>,
  stepIds: readonly string[],
): Promise<Refused | undefined> {
  for (const stepId of placesOf(stepIds)) {
    const decisions = await readDecisions(tx, promotion, set, stepId);
    const problem = isRefusal(decisions)
      ? decisions
      : await countPeople(tx, promotion, asked, decisions);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * As {@link findQuorumProblem}, by what the approvers were when they decided: for what has happened already, which nobody's
 * later leaving undoes.
 */
export async function findPastQuorumProblem(
  tx: Tx,
  promotion: PromotionRecord,
  rule: ApprovalRule,
  stepIds: readonly string[] = [],
): Promise<Refused | undefined> {
  const { promotionId, requestedPerson } = promotion;
  const set = await findPlanSet(tx, promotionId);
  if (set === undefined) return refusal('approval-missing', `${promotionId} was never planned.`);
  for (const stepId of placesOf(stepIds)) {
    const decisions = await readDecisions(tx, promotion, set, stepId);
    if (isRefusal(decisions)) return decisions;
    const people = decisions
      .filter(({ kind, role }) => kind === 'person' && rule.roles.includes(role))
      .map(({ personId }) => personId)
      .filter((personId) => personId !== requestedPerson);
    if (new Set(people).size < rule.count) {
      return refusal('approval-missing', `Not enough people approved ${promotionId}.`);
    }
  }
  return undefined;
}

/** Undefined is the step of the newest request. */
function placesOf(stepIds: readonly string[]): readonly (string | undefined)[] {
  return stepIds.length === 0 ? [undefined] : stepIds;
}

/** What was recorded about the newest plan set, once a step's request for it is approved and nobody rejected it. */
async function readDecisions(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  set: Pick<PlanSetRecord, 'digest' | 'round'>,
  stepId: string | undefined,
): Promise<readonly ApprovalRecord[] | Refused> {
  const request = await findApprovalRequest(tx, promotionId, stepId);
  if (request?.state !== 'approved') {
    const what = request === undefined ? 'nobody was asked' : `the request is ${request.state}`;
    const step = stepId === undefined ? '' : ` of ${stepId}`;
    return refusal('approval-missing', `${promotionId} needs an approval${step}, but ${what}.`);
  }
  if (request.planDigest !== set.digest || request.round !== set.round) {
    const what = `${promotionId} was approved with the plan ${request.planDigest}, not with ${set.digest}.`;
    return refusal('approval-wrong-plan', what);
  }
  const decisions = votesOn(request, await listApprovalsOf(tx, [promotionId])).filter(
    (approval) => approval.releaseDigest === releaseDigest,
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
