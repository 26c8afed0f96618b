import { hasStepOfType, parseStepType } from '@sluice/domain';
import {
  type EnvironmentRecord,
  findDecision,
  findPlanSet,
  isVerified,
  type PlanSetRecord,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import type { FrozenRules } from '@sluice/temporal-contract';
import { findQuorumProblem, listApprovalRules } from './approval-quorum.ts';
import { isRefusal, type Refused, refusal } from './refusal.ts';

/**
 * Why a release may not go forward to a target; undefined when it may. The frozen rules are the worker's word, so what the
 * environment asks for now binds too. Refusals: `decision-missing`, `decision-not-allow`, `predecessor-not-verified`,
 * `plan-not-in-set`, and those of {@link findQuorumProblem}.
 */
export async function findPromoteProblem(
  tx: Tx,
  promotion: PromotionRecord,
  rules: FrozenRules,
  environment: EnvironmentRecord,
  place: { readonly target: string; readonly planDigest: string },
): Promise<Refused | undefined> {
  const ungated = await findGateProblem(tx, promotion, rules);
  if (ungated !== undefined) return ungated;
  const unverified = await findPredecessorProblem(tx, promotion, rules, environment);
  if (unverified !== undefined) return unverified;
  const asked = listApprovalRules(rules, environment);
  if (asked.length === 0 && !hasStepOfType(rules.pipeline, 'plan')) return undefined;
  const set = await readPlanSet(tx, promotion, place);
  if (isRefusal(set)) return set;
  return asked.length === 0 ? undefined : findQuorumProblem(tx, promotion, asked, set);
}

/** The promotion's newest plan set, when it names this plan for this target. Refusal: `plan-not-in-set`. */
export async function readPlanSet(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  { target, planDigest }: { readonly target: string; readonly planDigest: string },
): Promise<PlanSetRecord | Refused> {
  const set = await findPlanSet(tx, promotionId);
  const isNamed =
    set !== undefined &&
    set.body.promotion === promotionId &&
    set.body.release === releaseDigest &&
    set.body.plans.some((entry) => entry.target === target && entry.plan === planDigest);
  if (isNamed) return set;
  const what = `The newest plan set of ${promotionId} does not have ${planDigest} for ${target}.`;
  return refusal('plan-not-in-set', what);
}

async function findGateProblem(
  tx: Tx,
  { promotionId }: PromotionRecord,
  rules: FrozenRules,
): Promise<Refused | undefined> {
  const gates = rules.pipeline.steps.filter(({ type }) => parseStepType(type).type === 'gate');
  if (gates.length === 0) {
    return refusal('decision-missing', `The pipeline of ${promotionId} has no gate.`);
  }
  for (const gate of gates) {
    const decision = (await findDecision(tx, promotionId, gate.id))?.body;
    if (decision === undefined) {
      return refusal('decision-missing', `Gate ${gate.id} of ${promotionId} has not decided.`);
    }
    if (decision.decision !== 'allow' || decision.policyDigest !== rules.policyDigest) {
      const by = `${decision.decision} by policy ${decision.policyDigest}`;
      return refusal(
        'decision-not-allow',
        `Gate ${gate.id} of ${promotionId} answered ${by}; the frozen policy is ${rules.policyDigest}.`,
      );
    }
  }
  return undefined;
}

async function findPredecessorProblem(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  rules: FrozenRules,
  environment: EnvironmentRecord,
): Promise<Refused | undefined> {
  const before = new Set([...(rules.predecessors ?? []), ...environment.predecessors]);
  for (const name of before) {
    if (await isVerified(tx, { environment: name, releaseDigest })) continue;
    return refusal(
      'predecessor-not-verified',
      `Release ${releaseDigest} of ${promotionId} is not verified in ${name}.`,
    );
  }
  return undefined;
}
