import type { CourseStep, RequeuedStep } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import { environmentLease } from '@sluice/temporal-contract';
import { CancellationScope } from '@temporalio/workflow';
import { records } from '../activity-classes.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import { roundsExhausted, stepsAfterPlan } from '../replan.ts';
import { recordSteps } from './course-records.ts';
import type { CourseRun } from './course-run.ts';

/** States in the records of steps that are opened again. One that has begun here, and executed nothing, is still pending there. */
const REOPENED: ReadonlySet<string | undefined> = new Set([
  'succeeded',
  'waiting',
  'skipped',
  'failed',
  'partial',
]);

/**
 * Begins the next round: plan steps, and what followed from them, go back to pending. Steps that have begun and wait for the lease or
 * their group go back with them; one that executes something stands in the way.
 * @param step the step that found the plan stale
 * @param refused it was a deployment that every target refused
 * @returns null when the next round has begun, otherwise why it cannot
 */
export async function planAgain(
  course: CourseRun,
  step: CourseStep,
  reason: Reason,
  refused: boolean,
): Promise<Reason | null> {
  const { run, schedule } = course;
  const exhausted = roundsExhausted(run, reason);
  if (exhausted !== null) return exhausted;
  const after = stepsAfterPlan(course.course).filter(
    (id) => schedule.standingOf(id).state !== 'pending',
  );
  const isBusy = after.some(
    (id) => id !== step.id && course.begun.has(id) && !course.inert.has(id),
  );
  const requeued = after.map(
    (id): RequeuedStep => (course.begun.has(id) ? { id, hadEffects: false } : id),
  );
  if (isBusy || after.length === 0 || schedule.requeueObstacle(requeued) !== null) return reason;
  const waiting = after.filter((id) => id !== step.id && course.begun.has(id));
  course.isReplanning = true;
  // They leave without a word when their turn comes.
  const rounds = new Map(waiting.map((id) => [id, course.begun.get(id) ?? schedule.round]));
  for (const id of waiting) course.begun.delete(id);
  let refusal: Reason | null;
  try {
    refusal = await reopen(course, step, recordedAmong(course, step, after, refused), reason);
  } finally {
    // Everything waits for that: a bug must be seen, and not be waited for.
    course.isReplanning = false;
  }
  // Something else may have ended badly meanwhile.
  const isTooLate = schedule.requeueObstacle(requeued) !== null;
  const problem = refusal ?? (isTooLate ? reason : null);
  if (problem !== null) {
    await giveUp(course, rounds, problem);
    return problem;
  }
  schedule.requeue(requeued);
  if (refused) run.effectsBegun = false;
  run.reopen(after);
  for (const id of after) course.forget(id);
  course.wakes += 1;
  return null;
}

/** Those whose state in the records is another than pending. */
function recordedAmong(
  { run, begun, schedule }: CourseRun,
  step: CourseStep,
  after: readonly string[],
  refused: boolean,
): readonly string[] {
  const states = run.stepStates();
  return after.filter((id) => {
    if (id === step.id) return refused || states.get(id) === 'waiting';
    const isOver = !begun.has(id) && schedule.standingOf(id).state !== 'running';
    return isOver && REOPENED.has(states.get(id));
  });
}

/** Not interrupted: what the records say of these steps must be known. The lease is yielded when people must approve again. */
async function reopen(
  { run, steps }: CourseRun,
  step: CourseStep,
  stepIds: readonly string[],
  reason: Reason,
): Promise<Reason | null> {
  const { promotion, environment } = run.input;
  const asksPeople = stepIds.some((id) => {
    const found = steps.get(id);
    return found !== undefined && parseStepType(found.type).type === 'approval';
  });
  try {
    await CancellationScope.nonCancellable(async () => {
      await records.reopenSteps({ promotion, stepIds, reason });
      if (run.fencingToken === null || !asksPeople) return;
      run.fencingToken = null;
      await records.yieldLease({ promotion, resource: environmentLease(environment) });
    });
    return null;
  } catch (error) {
    const meaning = meaningOfFailure(error, 'plan-again', `Next round of step ${step.id}`, 0);
    if (meaning === undefined) throw error;
    return meaning.kind === 'cancelled' ? reason : meaning.reason;
  }
}

/** No next round: the steps that were to go back with it end here, for nobody runs them any more. */
async function giveUp(
  course: CourseRun,
  rounds: ReadonlyMap<string, number>,
  reason: Reason,
): Promise<void> {
  const ended = [...rounds.keys()];
  await recordSteps(
    course.run,
    ended.map((stepId) => ({ stepId, state: 'cancelled', reason })),
  );
  for (const [id, round] of rounds) {
    course.settle(id, round, { outcome: 'cancelled', hadEffects: false }, reason);
  }
}
