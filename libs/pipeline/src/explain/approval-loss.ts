import { type PipelineTemplate, parseStepType, type StepTypes } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { assemble } from '../render/assemble.ts';
import { type DraftStep, needsOf } from '../render/draft.ts';
import { passedWithPromotion } from '../render/parameters.ts';
import { beginRendering, type Pipelines } from '../render/rendering.ts';
import { shortenIds } from '../render/shorten-ids.ts';

/** What two versions of a pipeline are looked at with. */
export interface ApprovalLossOptions {
  /** Whose overrides hold. */
  readonly environment: string;
  /** Those that either extends or contains, by `name@version`. */
  readonly pipelines: Pipelines;
  readonly stepTypes: StepTypes;
}

/**
 * Where a version asks nobody although the one before it asked people: in words for a message, such as `it has no approval step`. Undefined
 * where the one before asked nobody, and where people still come before all that they came before. Steps that change targets without
 * people may stay as they were.
 */
export function findApprovalLoss(
  before: PipelineTemplate,
  after: PipelineTemplate,
  options: ApprovalLossOptions,
): string | undefined {
  const old = listSteps(before, options);
  if (old === null || !old.some(isApproval)) return undefined;
  const now = listSteps(after, options);
  if (now === null) return "its steps can't be put together";
  if (!now.some(isApproval)) return 'it has no approval step';
  const known = new Map(listUnapproved(old, options).map((step) => [step.id, targetsOf(step)]));
  const lost = listUnapproved(now, options).find((step) => known.get(step.id) !== targetsOf(step));
  return lost && `its step ${lost.id} changes targets, and no approval comes before it`;
}

/** With the steps of sub-pipelines in their places; values of parameters change nothing of this. */
function listSteps(
  template: PipelineTemplate,
  { environment, pipelines }: ApprovalLossOptions,
): readonly DraftStep[] | null {
  const rendering = beginRendering(pipelines, environment);
  const assembled = assemble(rendering, template, passedWithPromotion({}), '');
  if (assembled === null) return null;
  shortenIds(assembled.steps);
  return assembled.steps;
}

function listUnapproved(
  steps: readonly DraftStep[],
  { stepTypes }: ApprovalLossOptions,
): readonly DraftStep[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  return steps.filter(
    (step) => stepTypes.get(step.members.type)?.changesTargets === true && !isApproved(step, byId),
  );
}

/** True when an approval stands among all that a step needs, directly or not. */
function isApproved(step: DraftStep, byId: ReadonlyMap<string, DraftStep>): boolean {
  const seen = new Set<string>();
  const open = [...needsOf(step)];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const needed = byId.get(id);
    if (needed === undefined || seen.has(id)) continue;
    if (isApproval(needed)) return true;
    seen.add(id);
    open.push(...needsOf(needed));
  }
  return false;
}

function isApproval({ members }: DraftStep): boolean {
  return parseStepType(members.type).type === 'approval';
}

function targetsOf({ members }: DraftStep): string {
  return canonicalJson(members.matrix?.over ?? null);
}
