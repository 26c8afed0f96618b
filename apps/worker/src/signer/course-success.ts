import { stepOfCommand } from '@sluice/activities';
import { type Course, DEFAULT_APPROVAL_RULE, parseStepType } from '@sluice/domain';
import { findDecision, listCommandKeys, type PromotionRecord, type Tx } from '@sluice/persistence';
import type { FrozenRules } from '@sluice/temporal-contract';
import { findPastQuorumProblem } from './approval-quorum.ts';
import { findReleaseProblem, guardsOf } from './course-rules.ts';
import { type Refused, refusal } from './refusal.ts';

/**
 * Why a promotion of a pipeline as data can't have succeeded; undefined when it can. No gate said no (one that never ran, because its condition
 * was false, said nothing), and whatever was sent to a target had all that guards its step: gates that allowed, people who approved.
 * Refusals: `release-not-made`, `release-differs`, `decision-not-allow`, `step-unknown`, and those of {@link findPastQuorumProblem}.
 */
export async function findCourseSuccessProblem(
  tx: Tx,
  promotion: PromotionRecord,
  rules: FrozenRules,
  course: Course,
): Promise<Refused | undefined> {
  const { promotionId } = promotion;
  const unmade = findReleaseProblem(promotion, rules);
  if (unmade !== undefined) return unmade;
  const allowed = new Set<string>();
  for (const { id, type } of course.steps) {
    if (parseStepType(type).type !== 'gate') continue;
    const decision = (await findDecision(tx, promotionId, id))?.body.decision;
    if (decision === 'allow') allowed.add(id);
    else if (decision !== undefined) {
      const what = `Gate ${id} did not allow ${promotionId}: it can't have succeeded.`;
      return refusal('decision-not-allow', what);
    }
  }
  const deployed = await listCommandKeys(tx, { promotionId, kind: 'deploy' });
  const stepIds = new Set(deployed.map((command) => stepOfCommand(command).stepId));
  const approvals = new Set<string>();
  for (const stepId of stepIds) {
    const step = course.steps.find(({ id }) => id === stepId);
    if (step === undefined) {
      return refusal('step-unknown', `${promotionId} has no step ${stepId}, by which it deployed.`);
    }
    const guards = guardsOf(course, step);
    if (guards.gates.length === 0 || !guards.gates.every((gate) => allowed.has(gate))) {
      const what = `Step ${stepId} of ${promotionId} deployed what no gate allowed: it can't have succeeded.`;
      return refusal('decision-not-allow', what);
    }
    for (const id of guards.approvals) approvals.add(id);
  }
  if (approvals.size === 0) return undefined;
  const rule = rules.approval ?? DEFAULT_APPROVAL_RULE;
  return findPastQuorumProblem(tx, promotion, rule, [...approvals]);
}
