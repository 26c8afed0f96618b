import { hasStepOfType, isCourse, parseStepType } from '@sluice/domain';
import {
  type EnvironmentRecord,
  findDecision,
  findPlannedTarget,
  isVerified,
  type PlanSetRecord,
  type PromotionRecord,
  type TargetRecord,
  type Tx,
} from '@sluice/persistence';
import type { FrozenRules } from '@sluice/temporal-contract';
import { findQuorumProblem, listApprovalRules } from './approval-quorum.ts';
import { type DeployGuards, findReleaseProblem, readDeployGuards } from './course-rules.ts';
import { isRefusal, type Refused, refusal } from './refusal.ts';

/** What a command is for. */
export interface CommandPlace {
  readonly target: TargetRecord;
  readonly planDigest: string;
  /** Names the step. */
  readonly idempotencyKey: string;
}

/**
 * Why a release may not go forward to a target; undefined when it may. The frozen rules are the worker's word, so what the
 * environment asks for now binds too. Of a pipeline as data those gates and approvals count that come before the very step that deploys.
 * Refusals: `decision-missing`, `decision-not-allow`, `predecessor-not-verified`, `plan-not-in-set`, and those of
 * {@link findReleaseProblem}, {@link readDeployGuards} and {@link findQuorumProblem}.
 */
export async function findPromoteProblem(
  tx: Tx,
  promotion: PromotionRecord,
  rules: FrozenRules,
  environment: EnvironmentRecord,
  place: CommandPlace,
): Promise<Refused | undefined> {
  const unmade = findReleaseProblem(promotion, rules);
  if (unmade !== undefined) return unmade;
  const guards = readGuards(promotion, rules, place);
  if (isRefusal(guards)) return guards;
  const ungated = await findGateProblem(tx, promotion, rules, guards.gates);
  if (ungated !== undefined) return ungated;
  const unverified = await findPredecessorProblem(tx, promotion, rules, environment);
  if (unverified !== undefined) return unverified;
  const asked = listApprovalRules(rules, environment, guards.approvals.length > 0);
  const isPlanned = isCourse(rules.pipeline) || hasStepOfType(rules.pipeline, 'plan');
  if (asked.length === 0 && !isPlanned) return undefined;
  const { planDigest } = place;
  const set = await readPlanSet(tx, promotion, { target: place.target.name, planDigest });
  if (isRefusal(set)) return set;
  return asked.length === 0
    ? undefined
    : findQuorumProblem(tx, promotion, asked, set, guards.approvals);
}

/** Of a built-in pipeline, which deploys once, everything in it. */
function readGuards(
  { promotionId }: PromotionRecord,
  { pipeline }: FrozenRules,
  { idempotencyKey, target }: CommandPlace,
): Pick<DeployGuards, 'gates' | 'approvals'> | Refused {
  if (isCourse(pipeline)) return readDeployGuards(pipeline, promotionId, idempotencyKey, target);
  const listIds = (wanted: string): readonly string[] =>
    pipeline.steps.filter(({ type }) => parseStepType(type).type === wanted).map(({ id }) => id);
  return { gates: listIds('gate'), approvals: listIds('approval') };
}

/** The promotion's newest plan set, when it names this plan for this target. Refusal: `plan-not-in-set`. */
export async function readPlanSet(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  { target, planDigest }: { readonly target: string; readonly planDigest: string },
): Promise<Pick<PlanSetRecord, 'digest' | 'round'> | Refused> {
  const set = await findPlannedTarget(tx, promotionId, target);
  const isNamed =
    set?.promotion === promotionId && set.release === releaseDigest && set.plan === planDigest;
  if (isNamed) return set;
  const what = `The newest plan set of ${promotionId} does not have ${planDigest} for ${target}.`;
  return refusal('plan-not-in-set', what);
}

async function findGateProblem(
  tx: Tx,
  { promotionId }: PromotionRecord,
  rules: FrozenRules,
  gates: readonly string[],
): Promise<Refused | undefined> {
  if (gates.length === 0) {
    const what = `No gate of the pipeline of ${promotionId} comes before it.`;
    return refusal('decision-missing', what);
  }
  for (const gate of gates) {
    const decision = (await findDecision(tx, promotionId, gate))?.body;
    if (decision === undefined) {
      return refusal('decision-missing', `Gate ${gate} of ${promotionId} has not decided.`);
    }
    if (decision.decision !== 'allow' || decision.policyDigest !== rules.policyDigest) {
      const by = `${decision.decision} by policy ${decision.policyDigest}`;
      return refusal(
        'decision-not-allow',
        `Gate ${gate} of ${promotionId} answered ${by}; the frozen policy is ${rules.policyDigest}.`,
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
      `Release ${releaseDigest} of ${promotionId} is not verified in ${name}: its newest promotion there must have succeeded with every target confirmed.`,
    );
  }
  return undefined;
}
