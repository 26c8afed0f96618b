import type { StepType } from '@sluice/domain';
import { type Check, stepAt, whenOf } from './check.ts';
import { isImplied } from './guard.ts';
import { foldNeeds } from './step-graph.ts';
import type { VariantStep } from './variant.ts';

/** Changes without a plan or a gate, changes after trouble, guards that guard nothing, and effects that nothing takes back. */
export function checkEffects(check: Check): void {
  checkChanges(check);
  const followed = followedSteps(check);
  for (const each of check.variant.steps) {
    checkTolerance(check, each);
    if (each.type !== undefined && followed[each.index] === true) {
      checkCompensation(check, each, each.type);
    }
  }
}

/**
 * Whether a plan and a gate come before each step that changes targets, whether all that guard it are sure to run, and whether it runs
 * in the ordinary phase.
 */
export function checkChanges(check: Check): void {
  const planned = precededBy(check, 'plan');
  const gated = precededBy(check, 'gate');
  const guards = doubtfulGuards(check);
  for (const each of check.variant.steps) {
    if (each.type?.changesTargets !== true) continue;
    checkWhen(check, each);
    if (check.isUncertain(each.index)) continue;
    checkPlan(check, each, planned[each.index] ?? []);
    if (isSure(check, each, gated[each.index] ?? [])) {
      checkGuards(check, each, guards[each.index] ?? []);
      continue;
    }
    const gate = check.variant.steps.find(({ type }) => type?.type === 'gate');
    check.report.say({
      code: 'step-without-gate',
      severity: 'warning',
      path: each.place('needs'),
      message: `Step ${each.id} changes targets, and no gate comes before it for sure: a policy can't stop it.`,
      suggestion:
        gate === undefined
          ? 'Add a step of type gate@1 to its needs.'
          : `Add ${gate.id} to the needs of ${each.id}, and let it always run.`,
    });
  }
}

const GUARDS: ReadonlySet<string> = new Set(['gate', 'approval']);

/** Steps of a type that come before one: `sure` for one that always runs before it; else those that may be skipped. */
type Preceding = 'sure' | readonly number[];

/** So many that may be skipped are looked at: the others guard nothing. */
const MAX_DOUBTFUL = 8;

function precededBy(check: Check, type: string): readonly (Preceding | undefined)[] {
  return foldNeeds(check.graph, (index, ofNeeds: readonly Preceding[]): Preceding => {
    const each = stepAt(check, index);
    // A sub-pipeline may bring one; that is seen when it stands in its place.
    const brings = each.type === undefined || each.type.type === 'pipeline';
    const isOne = each.type?.type === type;
    if (brings || (isOne && !isDoubtful(each)) || ofNeeds.includes('sure')) return 'sure';
    const doubtful = new Set(ofNeeds.flatMap((need) => (need === 'sure' ? [] : need)));
    return [...(isOne ? [index] : []), ...doubtful].slice(0, MAX_DOUBTFUL);
  });
}

/** Gates and approvals before each step that may be skipped; so many of them. */
function doubtfulGuards(check: Check): readonly (readonly number[] | undefined)[] {
  return foldNeeds(check.graph, (index, ofNeeds: readonly (readonly number[])[]) => {
    const each = stepAt(check, index);
    const isOne = GUARDS.has(each.type?.type ?? '') && isDoubtful(each);
    return [...new Set([...(isOne ? [index] : []), ...ofNeeds.flat()])].slice(0, MAX_DOUBTFUL);
  });
}

/** The signer asks for the yes of everything that guards a deployment: what was skipped has not given it. */
function checkGuards(check: Check, each: VariantStep, guards: readonly number[]): void {
  const index = guards.find((guard) => !isSure(check, each, [guard]));
  if (index === undefined) return;
  const guard = stepAt(check, index);
  check.report.say({
    code: 'step-guard-uncertain',
    severity: 'warning',
    path: each.place('needs'),
    message: `Step ${each.id} changes targets, and ${guard.id} (${guard.step.type}) before it may be skipped: then nothing is sent, for it has not said yes.`,
    suggestion: `Let ${guard.id} always run, give ${each.id} the same condition, or take ${guard.id} out in the environments that do without it.`,
  });
}

function isDoubtful(each: VariantStep): boolean {
  const { if: condition, continueOnFailure } = each.step;
  return condition !== undefined || continueOnFailure === true || whenOf(each) !== 'success';
}

/** True also when what may be skipped runs whenever the step does. */
function isSure(check: Check, each: VariantStep, found: Preceding): boolean {
  if (found === 'sure') return true;
  const own = check.conditions.conjunctsOf(each.step) ?? [];
  return found.some((index) => {
    const before = stepAt(check, index);
    if (before.step.continueOnFailure === true || whenOf(before) !== 'success') return false;
    return isImplied(own, check.conditions.conjunctsOf(before.step));
  });
}

function checkPlan(check: Check, each: VariantStep, found: Preceding): void {
  if (isSure(check, each, found) || found === 'sure') return;
  const [first] = found;
  if (first === undefined) {
    check.report.say({
      code: 'step-without-plan',
      path: each.place('needs'),
      message: `Step ${each.id} changes targets, and no plan comes before it.`,
      suggestion: planSuggestion(check, each),
    });
    return;
  }
  const plan = stepAt(check, first);
  check.report.say({
    code: 'step-plan-uncertain',
    severity: 'warning',
    path: each.place('needs'),
    message: `Step ${each.id} changes targets, and ${plan.id}, the plan before it, may be skipped or fail without stopping it.`,
    suggestion: `Let ${plan.id} always run, or give ${each.id} the same condition.`,
  });
}

function planSuggestion(check: Check, each: VariantStep): string {
  const plan = check.variant.steps.find(({ type }) => type?.type === 'plan');
  return plan === undefined
    ? 'Add a step of type plan@1 to its needs.'
    : `Add ${plan.id} to the needs of ${each.id}.`;
}

function checkWhen(check: Check, each: VariantStep): void {
  const when = whenOf(each);
  if (when === 'success') return;
  const isAlways = when === 'always';
  check.report.say({
    code: 'step-changes-after-trouble',
    path: each.place('when'),
    message: `Step ${each.id} changes targets ${isAlways ? 'also ' : ''}when the promotion has gone wrong, after they were put back.`,
    suggestion: isAlways
      ? 'Take `when` out.'
      : 'Leave it to the compensation of the steps before it.',
  });
}

function checkTolerance(check: Check, each: VariantStep): void {
  if (each.step.continueOnFailure !== true || !GUARDS.has(each.type?.type ?? '')) return;
  check.report.say({
    code: 'step-guard-tolerated',
    path: each.place('continueOnFailure'),
    message: `Step ${each.id} (${each.step.type}) guards what comes after it, and with continueOnFailure nothing is stopped by its no.`,
    suggestion: 'Take continueOnFailure out.',
    where: 'key',
  });
}

function checkCompensation(check: Check, each: VariantStep, type: StepType): void {
  if (!lacksCompensation(each, type)) return;
  const undo = type.compensation?.onlyWith;
  check.report.say({
    code: 'step-without-compensation',
    severity: 'warning',
    path: each.place('type'),
    message: `What step ${each.id} does is not taken back when a step after it fails.`,
    suggestion: `${undo === undefined ? 'Write' : `Give it ${undo}, or write`} \`compensate: false\` where it may stay.`,
  });
}

function lacksCompensation({ step }: VariantStep, type: StepType): boolean {
  // What was said was said, and everybody knows.
  if (type.effect === 'none' || type.type === 'notify' || step.compensate === false) return false;
  const undo = type.compensation?.onlyWith;
  if (type.compensation === null) return true;
  return undo !== undefined && !Object.hasOwn(step.inputs ?? {}, undo);
}

/** Steps after which, by any way, another one comes whose failure ends the promotion unhappily. */
function followedSteps(check: Check): readonly (boolean | undefined)[] {
  const followed: boolean[] = [];
  for (const index of [...check.graph.order].reverse()) {
    followed[index] = (check.graph.neededBy[index] ?? []).some(
      (next) => followed[next] === true || isDecisive(stepAt(check, next)),
    );
  }
  return followed;
}

function isDecisive(each: VariantStep): boolean {
  const when = whenOf(each);
  return (when === 'success' || when === 'always') && each.step.continueOnFailure !== true;
}
