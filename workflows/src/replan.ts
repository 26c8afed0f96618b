import type { Pipeline, PipelineStep } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import type { FrozenRules, Reason } from '@sluice/temporal-contract';
import { CONTROL_STEPS, environmentLease, LEASED_STEPS } from '@sluice/temporal-contract';
import { CancellationScope } from '@temporalio/workflow';
import { records } from './activity-classes.ts';
import { meaningOfFailure } from './failure-reason.ts';
import type { PromotionRun } from './promotion-run.ts';

/** So many times a promotion plans; targets that change more often than that need a person. */
export const MAX_ROUNDS = 10;

/** The step type whose output `plan` is the digest of the plan set. */
const PLAN = 'plan';

/** Digest of the plan set that this step goes by: the output of the last plan step before it. */
export function findPlanDigest(
  run: PromotionRun,
  pipeline: Pipeline,
  stepId: string,
): string | undefined {
  const before = new Set([stepId]);
  const { steps } = pipeline;
  const needsOf = new Map(steps.map(({ id, needs }) => [id, needs]));
  // A set goes on with what is added to it meanwhile.
  for (const id of before) for (const need of needsOf.get(id) ?? []) before.add(need);
  const last = steps.findLast((step) => before.has(step.id) && isPlan(step));
  return last === undefined ? undefined : run.outputs.get(last.id)?.[PLAN];
}

/** Why no further round may begin, or null. */
export function roundsExhausted(run: PromotionRun, last: Reason): Reason | null {
  if (run.round < MAX_ROUNDS) return null;
  return {
    code: 'plan-unstable',
    message:
      `Planned ${MAX_ROUNDS} times, and the targets changed each time. ${last.message} ` +
      'Find out what changes them, then promote again.',
  };
}

/**
 * Begins the next round: plan, and what followed from it, go back to pending. The lease is yielded when people must approve
 * again, and kept otherwise.
 * @param step the step that found the plan stale
 * @param refused it was a deployment that every target refused
 * @returns null when the next round has begun, otherwise why it cannot
 */
export async function planAgain(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
  reason: Reason,
  refused = false,
): Promise<Reason | null> {
  if (run.course !== undefined) {
    return run.course.planAgain(run.course.getStep(step.id), reason, refused);
  }
  const problem = roundsExhausted(run, reason) ?? obstacle(run, rules.pipeline, step, reason);
  if (problem !== null) return problem;
  const { promotion, environment } = run.input;
  const states = run.stepStates();
  const stepIds = stepsAfterPlan(rules.pipeline).filter(
    (id) => REOPENED.has(states.get(id)) || (refused && id === step.id),
  );
  const asksPeople = rules.pipeline.steps.some(
    ({ id, type }) => stepIds.includes(id) && CONTROL_STEPS.has(parseStepType(type).type),
  );
  try {
    // Not interrupted: what the records say of these steps must be known.
    await CancellationScope.nonCancellable(async () => {
      await records.reopenSteps({ promotion, stepIds, reason });
      if (run.fencingToken === null || !asksPeople) return;
      run.fencingToken = null;
      await records.yieldLease({ promotion, resource: environmentLease(environment) });
    });
  } catch (error) {
    const meaning = meaningOfFailure(error, 'plan-again', `Next round of step ${step.id}`, 0);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    return meaning.reason;
  }
  if (refused) run.effectsBegun = false;
  run.reopen([...stepIds, step.id]);
  return null;
}

const REOPENED: ReadonlySet<string | undefined> = new Set(['succeeded', 'waiting']);

/** Only a promotion that has touched nothing yet, and does nothing else after the plan right now, can plan again. */
function obstacle(
  run: PromotionRun,
  pipeline: Pipeline,
  step: PipelineStep,
  reason: Reason,
): Reason | null {
  const states = run.stepStates();
  const busy = stepsAfterPlan(pipeline).some(
    (id) => id !== step.id && (states.get(id) === 'running' || wasTouched(pipeline, id, states)),
  );
  return busy || stepsAfterPlan(pipeline).length === 0 ? reason : null;
}

function wasTouched(pipeline: Pipeline, id: string, states: ReadonlyMap<string, string>): boolean {
  const type = pipeline.steps.find((step) => step.id === id)?.type;
  const isLeased = type !== undefined && LEASED_STEPS.has(parseStepType(type).type);
  return isLeased && states.get(id) !== 'pending';
}

/** Ids of the plan steps and of all that need them, in the pipeline's order. */
export function stepsAfterPlan(pipeline: Pipeline): readonly string[] {
  const found = new Set(pipeline.steps.filter(isPlan).map(({ id }) => id));
  for (let grown = -1; grown !== found.size; ) {
    grown = found.size;
    for (const { id, needs } of pipeline.steps) {
      if (needs.some((need) => found.has(need))) found.add(id);
    }
  }
  return pipeline.steps.map(({ id }) => id).filter((id) => found.has(id));
}

function isPlan({ type }: PipelineStep): boolean {
  return parseStepType(type).type === PLAN;
}
