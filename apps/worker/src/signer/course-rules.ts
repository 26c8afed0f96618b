import { stepOfCommand } from '@sluice/activities';
import {
  type Course,
  type CourseStep,
  findReleaseStep,
  isDeployment,
  listMadeReleaseProblems,
  parseStepType,
} from '@sluice/domain';
import type { PromotionRecord, TargetRecord } from '@sluice/persistence';
import { NOTHING_DIGEST } from '@sluice/pure';
import type { FrozenRules } from '@sluice/temporal-contract';
import { type Refused, refusal } from './refusal.ts';

/** What guards one step of a course that deploys: everything that it needs, directly or not. */
export interface DeployGuards {
  readonly step: CourseStep;
  /** Ids of the gates that must all have allowed. */
  readonly gates: readonly string[];
  /** Ids of the approvals in each of which people must have approved the plan. */
  readonly approvals: readonly string[];
}

/**
 * The step of a course that a command is for, by the command's key, with what guards it. Refusals: `step-unknown`,
 * `target-not-in-step`.
 */
export function readDeployGuards(
  course: Course,
  promotionId: string,
  idempotencyKey: string,
  target: TargetRecord,
): DeployGuards | Refused {
  const { stepId } = stepOfCommand({ promotionId, idempotencyKey });
  const step = course.steps.find(({ id }) => id === stepId);
  if (step === undefined || !isDeployment(step.type)) {
    const what = `"${stepId}" is no step of the pipeline of ${promotionId} that deploys.`;
    return refusal('step-unknown', what);
  }
  const over = step.matrix?.over;
  const labels = over !== undefined && 'targets' in over ? Object.entries(over.targets) : [];
  const other = labels.find(([name, value]) => target.labels[name] !== value);
  if (other !== undefined) {
    const what = `Step ${stepId} is for targets with ${other.join('=')}, and ${target.name} is none such now: promote again.`;
    return refusal('target-not-in-step', what);
  }
  return guardsOf(course, step);
}

/** What guards a step of a course. */
export function guardsOf(course: Course, step: CourseStep): DeployGuards {
  const before = listBefore(course, step.id);
  return {
    step,
    gates: before.filter((one) => typeOf(one) === 'gate').map(({ id }) => id),
    approvals: before.filter((one) => typeOf(one) === 'approval').map(({ id }) => id),
  };
}

/**
 * Why a promotion's release is not the one that it was asked for or that its own pipeline made; undefined when it is. Nothing is ever
 * promoted that is nothing. Refusals: `release-not-made`, `release-differs`.
 */
export function findReleaseProblem(
  { promotionId, releaseDigest }: Pick<PromotionRecord, 'promotionId' | 'releaseDigest'>,
  rules: FrozenRules,
): Refused | undefined {
  if (releaseDigest === NOTHING_DIGEST) {
    const what = `The pipeline of ${promotionId} has not made its release.`;
    return refusal('release-not-made', what);
  }
  if (rules.releaseDigest === releaseDigest) return undefined;
  const { steps } = rules.pipeline;
  const [problem] = listMadeReleaseProblems(steps);
  const isMade =
    rules.releaseDigest === NOTHING_DIGEST &&
    findReleaseStep(steps) !== undefined &&
    problem === undefined;
  if (isMade) return undefined;
  const why = problem?.message ?? 'its pipeline makes none';
  return refusal(
    'release-differs',
    `${promotionId} began with release ${rules.releaseDigest} and is of ${releaseDigest}: ${why}.`,
  );
}

/** Steps that one needs, directly or not. */
function listBefore({ steps }: Course, stepId: string): readonly CourseStep[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const found = new Map<string, CourseStep>();
  const open = [...(byId.get(stepId)?.needs ?? [])];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const step = byId.get(id);
    if (step === undefined || found.has(id)) continue;
    found.set(id, step);
    open.push(...step.needs);
  }
  return [...found.values()];
}

function typeOf({ type }: Pick<CourseStep, 'type'>): string {
  return parseStepType(type).type;
}
