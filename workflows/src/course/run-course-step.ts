import type { CourseStep, JsonValue, StepSettlement, StepState } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import { awaitApproval } from '../approval-wait.ts';
import { isActivityFailure } from '../failure-reason.ts';
import { holdLease } from '../lease-wait.ts';
import { findStalePlans } from '../plan-check.ts';
import { findPlanDigest } from '../replan.ts';
import { runRollout } from '../rollout/run-rollout.ts';
import { planMissing } from '../step-execution.ts';
import { recordSteps } from './course-records.ts';
import { planAgain } from './course-replan.ts';
import type { CourseRun } from './course-run.ts';
import { type ExpandedStep, expand, type Members, runMatrix } from './matrix-step.ts';
import { type Execution, type ExecutionEnd, execute, interruption } from './member-execution.ts';
import { MAX_WEIGHT, maxParallelOf } from './parallel-members.ts';
import { waitOut } from './wait-step.ts';

/** How a step ended, and whether a record of that is still to be written. */
interface StepEnd {
  readonly settlement: StepSettlement;
  readonly reason: Reason | null;
  readonly values?: Readonly<Record<string, JsonValue>>;
  readonly isRecorded?: boolean;
}

/**
 * Runs one step that is due, from its beginning to its end, and tells the schedule; never throws for an outcome. A matrix is expanded
 * first. What changes targets takes the lease, and looks whether its plan still holds; then a group is entered; and only then anything
 * is executed. A step that is sent back meanwhile leaves without a word.
 */
export async function runCourseStep(course: CourseRun, step: CourseStep): Promise<void> {
  const isExpanded = step.matrix !== undefined && step.control !== true;
  const members = isExpanded ? await expandBeforehand(course, step) : undefined;
  if (members === null) return;
  const round = course.begin(step);
  if (round === undefined) return;
  let group: string | undefined;
  try {
    const obstacle =
      step.changesTargets === true ? await prepareTargets(course, step, round) : null;
    if (!course.isCurrent(step.id, round)) return;
    if (obstacle !== null) return await end(course, step, round, failedBefore(obstacle));
    if (step.concurrencyGroup !== undefined) {
      const problem = await course.groups.enter(step.concurrencyGroup, step.id);
      if (problem !== null) return await end(course, step, round, failedBefore(problem));
      group = step.concurrencyGroup;
      if (!course.isCurrent(step.id, round)) return;
    }
    const ended = await carryOut(course, step, round, members);
    if (ended !== null) await end(course, step, round, ended);
  } catch (error) {
    const isStopped = course.isStopped() && isActivityFailure(error);
    if (!isCancellation(error) && !isStopped) throw error;
    await end(course, step, round, cancelledEnd(course, step));
  } finally {
    if (group !== undefined) await course.groups.leave(group);
  }
}

/** Its members; null when the step has ended without them, or may not begin any more. */
async function expandBeforehand(course: CourseRun, step: CourseStep): Promise<Members | null> {
  let expanded: ExpandedStep | Reason | null;
  do {
    expanded = await expand(course, step);
    if (expanded !== null && 'count' in expanded) await awaitRoom(course, step, expanded);
    await CancellationScope.nonCancellable(() => condition(() => !course.isReplanning));
    // Of an older round they are somebody else's.
  } while (expanded !== null && 'count' in expanded && expanded.round !== course.run.round);
  if (expanded === null || course.isStopped()) return null;
  if ('code' in expanded) {
    const round = course.begin(step);
    if (round !== undefined) await end(course, step, round, failedBefore(expanded));
    return null;
  }
  if (expanded.count > 0) return expanded;
  const reason = course.skip(step, 'matrix-empty', `Step ${step.id} has nothing to run for.`);
  if (reason === undefined) return null;
  // What follows from it waits for the record: the step counts as in flight until then.
  await recordSteps(course.run, [{ stepId: step.id, state: 'skipped', reason }]);
  return null;
}

/**
 * A matrix in shards weighs more than one in this workflow: it waits until it fits in beside all else. Meanwhile it weighs nothing, so that
 * no two wait for each other.
 */
async function awaitRoom(
  course: CourseRun,
  step: CourseStep,
  { count, keys }: Members,
): Promise<void> {
  const { inFlight } = course;
  const own = Math.min(maxParallelOf(step), count);
  if (keys !== undefined) return;
  inFlight.set(step.id, 0);
  const hasRoom = (): boolean => course.weight() + own <= MAX_WEIGHT || course.isStopped();
  // Several may be woken at once: each looks again.
  while (!hasRoom()) await CancellationScope.nonCancellable(() => condition(hasRoom));
  inFlight.set(step.id, own);
}

/** Takes the lease and looks at the plan. @returns why the step cannot go on; when it was sent back that is seen by its round */
async function prepareTargets(
  course: CourseRun,
  step: CourseStep,
  round: number,
): Promise<Reason | null> {
  const { run, rules } = course;
  if (run.supersededBy !== undefined) return run.supersession();
  const problem = await oneAtATime(course, 'lease', () =>
    holdLease(run, rules.deadlines.queueSeconds),
  );
  if (problem !== null || !course.isCurrent(step.id, round)) return problem;
  const planDigest = findPlanDigest(run, course.course, step.id);
  if (planDigest === undefined) return planMissing(step);
  const answer = await findStalePlans(run, planDigest, rules.deadlines.queueSeconds);
  if (answer === null || !course.isCurrent(step.id, round)) return null;
  return answer.kind === 'stale' ? planAgain(course, step, answer.reason, false) : answer.reason;
}

/** @returns null when the step was sent back */
async function carryOut(
  course: CourseRun,
  step: CourseStep,
  round: number,
  members: Members | undefined,
): Promise<StepEnd | null> {
  const { run } = course;
  const { type } = parseStepType(step.type);
  if (step.control === true && type === 'approval') return askPeople(course, step, round);
  if (step.control === true) {
    course.inert.delete(step.id);
    const problem = await waitOut(course, step);
    return problem === null
      ? { settlement: { outcome: 'succeeded' }, reason: null }
      : { settlement: { outcome: 'failed' }, reason: problem };
  }
  course.inert.delete(step.id);
  if (step.changesTargets === true) run.effectsBegun = true;
  if (type === 'plan') run.changesAtPlanning = run.targetChanges;
  const execution = executionOf(course, step, round);
  if (members !== undefined) {
    const { rollout } = members;
    const { refusal, ...ended } =
      rollout === undefined
        ? await runMatrix(course, step, execution, members)
        : await runRollout(course, step, execution, members, rollout);
    if (refusal === null || course.isStopped()) return ended;
    const problem = await planAgain(course, step, refusal, true);
    if (problem === null) return null;
    return { settlement: { outcome: 'failed', hadEffects: false }, reason: problem };
  }
  return endOfOne(course, step, await execute(execution));
}

function executionOf(course: CourseRun, step: CourseStep, round: number): Execution {
  const { run, rules } = course;
  const { type } = parseStepType(step.type);
  const wants = new Set(step.reads ?? []);
  // What its later steps are about.
  if (type === 'release' && !wants.has('*')) for (const name of RELEASE_FACTS) wants.add(name);
  return {
    promotion: run.input.promotion,
    stepId: step.id,
    type: step.type,
    ...(step.queue === undefined ? {} : { queue: step.queue }),
    timeoutSeconds: step.timeoutSeconds,
    retry: step.retry,
    round,
    isOverTargets: false,
    wants: [...wants].sort(),
    releaseDigest: rules.releaseDigest,
    rulesDigest: rules.rulesDigest,
    traceparent: run.input.traceparent,
    isStopped: () => course.isStopped(),
  };
}

const RELEASE_FACTS = ['name', 'release', 'version'];

function endOfOne(course: CourseRun, step: CourseStep, result: ExecutionEnd): StepEnd {
  const { run } = course;
  const { outcome, reason, outputs, values } = result;
  const isRecorded = !result.thrown;
  switch (outcome) {
    case 'succeeded': {
      // Its own record stays; what it was to decide cannot be decided.
      if (!course.hasRoomFor(values)) {
        return { settlement: { outcome: 'failed' }, reason: tooMuch(step) };
      }
      const { type } = parseStepType(step.type);
      if (type === 'plan') run.outputs.set(step.id, outputs);
      if (type === 'release') course.adoptRelease({ ...values, ...outputs });
      return { settlement: { outcome }, reason: null, values, isRecorded };
    }
    case 'denied':
      return { settlement: { outcome: 'failed', denies: true }, reason, isRecorded };
    case 'failed':
      return { settlement: { outcome }, reason, isRecorded };
    case 'cancelled':
      return cancelledEnd(course, step);
  }
}

/** An approval writes its own end into the run; sent back it is pending there. */
async function askPeople(
  course: CourseRun,
  step: CourseStep,
  round: number,
): Promise<StepEnd | null> {
  const { run, rules } = course;
  if (course.schedule.phase !== 'ordinary') {
    const message = `Step ${step.id} would ask for approval of what is over; correct the pipeline.`;
    return failedBefore({ code: 'approval-too-late', message });
  }
  await oneAtATime(course, 'approval', async () => {
    if (!course.isCurrent(step.id, round)) return;
    course.inert.delete(step.id);
    await awaitApproval(run, rules, step);
  });
  if (!course.isCurrent(step.id, round)) return null;
  const { state, reason } = run.getStep(step.id);
  if (state === 'succeeded') {
    const plan = run.outputs.get(step.id)?.plan;
    const values = plan === undefined ? {} : { plan };
    return { settlement: { outcome: 'succeeded' }, reason: null, values, isRecorded: true };
  }
  const denies = run.denial !== undefined;
  const settlement: StepSettlement =
    state === 'failed' ? { outcome: 'failed', denies } : { outcome: 'cancelled' };
  return { settlement, reason, isRecorded: true };
}

/** Writes the record where it is missing, and then tells the schedule: what comes after finds the record. */
async function end(
  course: CourseRun,
  step: CourseStep,
  round: number,
  { settlement, reason, values, isRecorded = false }: StepEnd,
): Promise<void> {
  if (!course.isCurrent(step.id, round)) return;
  // From here on nobody sends it back.
  course.inert.delete(step.id);
  const state: StepState = settlement.outcome;
  if (isRecorded) course.run.setStep(step.id, state, reason);
  else await recordSteps(course.run, [{ stepId: step.id, state, reason }]);
  course.settle(step.id, round, settlement, reason, values);
}

function failedBefore(reason: Reason): StepEnd {
  return { settlement: { outcome: 'failed', hadEffects: false }, reason };
}

/** This record is also the fence: once it stands, no attempt that still runs dispatches anything for the step. */
function cancelledEnd(course: CourseRun, step: CourseStep): StepEnd {
  const reason = course.run.stopCause?.reason ?? interruption(`Step ${step.id}`);
  const hadEffects = !course.inert.has(step.id);
  return { settlement: { outcome: 'cancelled', hadEffects }, reason };
}

function tooMuch({ id }: CourseStep): Reason {
  const message = `What conditions read of step ${id} is too much to keep: give less, or by digest.`;
  return { code: 'outputs-too-large', message };
}

/** Waits until no other step of this promotion does the same, which is never for long: each has its deadline. */
async function oneAtATime<T>(
  course: CourseRun,
  what: 'lease' | 'approval',
  act: () => Promise<T>,
): Promise<T> {
  while (course.busy.has(what)) await condition(() => !course.busy.has(what));
  course.busy.add(what);
  try {
    return await act();
  } finally {
    course.busy.delete(what);
  }
}
