import type { Deadlines, PipelineStep } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import type { ExecuteStepInput, FrozenRules, Reason, StepResult } from '@sluice/temporal-contract';
import {
  CONTROL_STEPS,
  LEASED_STEPS,
  LEGACY_STEP_QUEUES,
  PER_TARGET_STEPS,
} from '@sluice/temporal-contract';
import { isCancellation } from '@temporalio/workflow';
import { stepWithin } from './activity-classes.ts';
import { awaitApproval } from './approval-wait.ts';
import { waitsForBudget } from './budget-wait.ts';
import { isActivityFailure, meaningOfFailure } from './failure-reason.ts';
import { holdLease } from './lease-wait.ts';
import { MAX_IN_FLIGHT, mapBounded } from './map-bounded.ts';
import { findStalePlans } from './plan-check.ts';
import type { PromotionRun } from './promotion-run.ts';
import { findPlanDigest, planAgain } from './replan.ts';
import { recordStepState } from './step-records.ts';

/** What one execution came to; `thrown` when the activity itself could not write its step's state. */
interface Execution extends Pick<StepResult, 'outcome' | 'reason' | 'outputs'> {
  readonly thrown: boolean;
}

/** The wait of each step type; the gate's for those that name none. */
function deadlineSeconds(type: string, deadlines: Deadlines): number {
  const ofType: Readonly<Record<string, number>> = {
    scan: deadlines.scanSeconds,
    gate: deadlines.gateSeconds,
    deploy: deadlines.deploySeconds,
    verify: deadlines.verifySeconds,
  };
  return ofType[type] ?? deadlines.gateSeconds;
}

/**
 * Runs one ready step to its end and writes that end into the run; never throws for an outcome. A step type with
 * effects first takes the lease and asks whether the plan still holds; a step type that acts on targets is expanded over
 * the frozen ones. A stale plan leaves the step pending.
 */
export async function runStep(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
): Promise<void> {
  const { type } = parseStepType(step.type);
  try {
    if (CONTROL_STEPS.has(type)) return await awaitApproval(run, rules, step);
    if (type === 'plan') run.changesAtPlanning = run.targetChanges;
    if (LEASED_STEPS.has(type)) {
      const problem = await holdLease(run, rules.deadlines.queueSeconds);
      if (problem !== null) return await recordStepState(run, step.id, 'failed', problem);
      if (rules.form === 2 && !(await planHolds(run, rules, step))) return;
      run.effectsBegun = true;
    }
    const executions = await executeOnPlaces(run, rules, step, type);
    if (rules.form === 2 && rules.kind === 'promote' && LEASED_STEPS.has(type)) {
      const stale = run.stopCause === undefined ? refusalOfAll(executions) : null;
      if (stale !== null) {
        const problem = await planAgain(run, rules, step, stale, true);
        if (problem === null) return;
        return await recordStepState(run, step.id, 'failed', problem);
      }
    }
    await settleStep(run, step, type, executions);
  } catch (error) {
    const isStopped = run.stopCause !== undefined && isActivityFailure(error);
    if (!isCancellation(error) && !isStopped) throw error;
    // This record is also the fence: once it stands, no attempt that still runs dispatches anything for the step.
    await recordStepState(run, step.id, 'cancelled', run.stopCause?.reason ?? interrupted(step));
  }
}

/**
 * Whether the step may go by its plan. If not, the next round has begun, or the step has failed. A rollback's plan was
 * made under the lease, and replaces whatever is there.
 */
async function planHolds(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
): Promise<boolean> {
  if (rules.kind === 'rollback') return true;
  const planDigest = findPlanDigest(run, rules.pipeline, step.id);
  const answer =
    planDigest === undefined
      ? { kind: 'failed' as const, reason: planMissing(step) }
      : await findStalePlans(run, planDigest, rules.deadlines.queueSeconds);
  if (answer === null) return true;
  const problem =
    answer.kind === 'stale' ? await planAgain(run, rules, step, answer.reason) : answer.reason;
  if (problem !== null) await recordStepState(run, step.id, 'failed', problem);
  return false;
}

/** Why every target refused, when something else is active there than the plan says: none was touched. Else null. */
function refusalOfAll(executions: readonly Execution[]): Reason | null {
  const isRefusal = ({ thrown, reason }: Execution): boolean =>
    !thrown && reason?.code === 'plan-stale';
  if (!executions.every(isRefusal)) return null;
  return joinReasons(executions.map(({ reason }) => reason));
}

async function executeOnPlaces(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
  type: string,
): Promise<readonly Execution[]> {
  if (!PER_TARGET_STEPS.has(type)) return [await executeOnce(run, rules, step, undefined)];
  // All targets run to their end, also when one fails: each outcome is evidence. Only a cancellation throws.
  return mapBounded(rules.targets, MAX_IN_FLIGHT, (target) =>
    executeOnce(run, rules, step, target),
  );
}

async function executeOnce(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
  target: string | undefined,
): Promise<Execution> {
  const { type, version } = parseStepType(step.type);
  const seconds = deadlineSeconds(type, rules.deadlines);
  const queue = LEGACY_STEP_QUEUES[type];
  if (queue === undefined) return { ...failed(unknownType(step)), thrown: true };
  const input: ExecuteStepInput = {
    type,
    version,
    promotion: run.input.promotion,
    stepId: step.id,
    ...(run.round === 1 ? {} : { round: run.round }),
    ...(target === undefined ? {} : { target }),
    inputDigests: gatherInputDigests(run, rules, step, target),
    // The sandbox's clock: the time of the workflow task, the same in every replay.
    scheduledAt: new Date(Date.now()).toISOString(),
    traceparent: run.input.traceparent,
  };
  const until = Date.now() + rules.deadlines.queueSeconds * 1000;
  for (;;) {
    try {
      const result = await stepWithin(type, queue, seconds).executeStep(input);
      return { ...result, thrown: false };
    } catch (error) {
      if (waitsForBudget(error, until, () => run.stopCause !== undefined)) continue;
      const what = `Step ${step.id}${target === undefined ? '' : ` on ${target}`}`;
      const meaning = meaningOfFailure(error, type, what, seconds);
      if (meaning === undefined || meaning.kind === 'cancelled') throw error;
      if (run.stopCause !== undefined) throw error;
      return { ...failed(meaning.reason), thrown: true };
    }
  }
}

/** `release`, `rules`, and the outputs of the needed steps; of an expanded step only the same target's. */
function gatherInputDigests(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
  target: string | undefined,
): Readonly<Record<string, string>> {
  const digests: Record<string, string> = {
    release: rules.releaseDigest,
    rules: rules.rulesDigest,
  };
  for (const need of step.needs) {
    const ownTarget = target === undefined ? undefined : run.outputs.get(`${need}/${target}`);
    for (const [name, digest] of Object.entries(ownTarget ?? run.outputs.get(need) ?? {})) {
      digests[`${need}.${name}`] = digest;
    }
  }
  return digests;
}

async function settleStep(
  run: PromotionRun,
  step: PipelineStep,
  type: string,
  executions: readonly Execution[],
): Promise<void> {
  const expanded = PER_TARGET_STEPS.has(type);
  const targets = run.rules?.targets ?? [];
  const merged: Record<string, string> = {};
  for (const [index, { outputs, outcome }] of executions.entries()) {
    const target = expanded ? targets[index] : undefined;
    if (target !== undefined) run.outputs.set(`${step.id}/${target}`, outputs);
    if (target !== undefined && LEASED_STEPS.has(type) && outcome === 'succeeded') {
      run.deployedTargets.add(target);
    }
    for (const [name, digest] of Object.entries(outputs)) {
      merged[target === undefined ? name : `${target}.${name}`] = digest;
    }
  }
  run.outputs.set(step.id, merged);

  const unhappy = executions.filter(({ outcome }) => outcome !== 'succeeded');
  const denial = unhappy.find(({ outcome }) => outcome === 'denied');
  const reason = joinReasons(unhappy.map((execution) => execution.reason));
  if (denial !== undefined) run.denial = reason ?? undefined;
  const state = unhappy.length === 0 ? 'succeeded' : 'failed';
  // The last target's activity writes a common success; that not all succeeded none of them can know, and one that threw
  // wrote nothing.
  if (unhappy.some(({ thrown }) => expanded || thrown)) {
    await recordStepState(run, step.id, state, reason);
  } else {
    run.setStep(step.id, state, reason);
  }
}

function joinReasons(reasons: readonly (Reason | null)[]): Reason | null {
  const known = reasons.map(
    (reason) =>
      reason ?? { code: 'step-failed', message: 'The step failed without a reason; see its logs.' },
  );
  const first = known[0];
  if (first === undefined) return null;
  const shown = known.slice(0, 5).map(({ message }) => message);
  const more = known.length > shown.length ? ` And ${known.length - shown.length} more.` : '';
  return { code: first.code, message: shown.join(' ') + more };
}

function failed(reason: Reason): Omit<Execution, 'thrown'> {
  return { outcome: 'failed', outputs: {}, reason };
}

/** Why a step without a plan before it cannot run. */
export function planMissing(step: PipelineStep): Reason {
  const message = `Step ${step.id} needs a plan, and no step before it makes one; correct the pipeline.`;
  return { code: 'plan-missing', message };
}

function interrupted(step: PipelineStep): Reason {
  const message = `Step ${step.id} was cancelled from outside of its promotion; promote again.`;
  return { code: 'step-interrupted', message };
}

/** Why a step whose type no capability has registered cannot run. */
export function unknownType(step: PipelineStep): Reason {
  return {
    code: 'step-type-unknown',
    message: `Step ${step.id} has the type ${step.type}, which nothing here can run; correct the pipeline.`,
  };
}
