import type { CourseStep, SchedulePhase } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import { compileCel, costOfCel, evaluateIf, MAX_CEL_COST, PIPELINE_VARIABLES } from '@sluice/pure';
import type { FrozenRules, Reason } from '@sluice/temporal-contract';
import { CancellationScope, condition, sleep } from '@temporalio/workflow';
import type { Ending } from '../interpret-pipeline.ts';
import type { PromotionRun } from '../promotion-run.ts';
import { unknownType } from '../step-execution.ts';
import { endingOfCourse } from './course-ending.ts';
import { recordSteps, type StepToRecord } from './course-records.ts';
import { renewWhenDrained, wantsRenewal } from './course-renewal.ts';
import type { CourseRun } from './course-run.ts';
import { MAX_WEIGHT, maxParallelOf } from './parallel-members.ts';
import { runCourseStep } from './run-course-step.ts';
import { reasonOfSkip } from './skip-reason.ts';
import { findQueue } from './step-queue.ts';

/** Control steps that the interpreter knows; sub-pipelines were expanded before. */
const CONTROL: ReadonlySet<string> = new Set(['approval', 'wait']);

/** What a matrix weighs before its members are known: as many as run in this workflow at a time. */
const MAX_MATRIX_WEIGHT = 100;

/** Conditions whose evaluation costs more than this get a workflow task of their own. */
const MAX_CONDITION_COST = MAX_CEL_COST;

/** Why the steps cannot be run at all, with the first step that it is about; null when they can. */
export function findUnknownType({ pipeline }: FrozenRules): StepToRecord | null {
  const unknown = (pipeline.steps as readonly CourseStep[]).find((step) =>
    step.control === true
      ? !CONTROL.has(parseStepType(step.type).type)
      : findQueue(step) === undefined,
  );
  if (unknown === undefined) return null;
  return { stepId: unknown.id, state: 'failed', reason: unknownType(unknown) };
}

/**
 * Runs the ordinary phase: begins every step that is due, and goes on as each ends, until nothing runs and nothing can begin. A stop
 * cancels what runs, by the scope of the run's work; the loop itself always comes to its end.
 */
export async function interpretCourse(run: PromotionRun, course: CourseRun): Promise<Ending> {
  await CancellationScope.nonCancellable(() => runPhase(course, 'ordinary', run.work));
  course.ending ??= endingOfCourse(course);
  return course.ending;
}

/** Runs steps until the schedule is in another phase and all that it began has ended. */
export async function runPhase(
  course: CourseRun,
  phase: SchedulePhase,
  scope: CancellationScope,
): Promise<void> {
  try {
    await loopThrough(course, phase, scope);
  } catch (error) {
    throw asBug(error);
  }
}

async function loopThrough(
  course: CourseRun,
  phase: SchedulePhase,
  scope: CancellationScope,
): Promise<void> {
  for (;;) {
    await condition(() => !course.isReplanning || course.bug !== undefined);
    if (course.bug !== undefined) throw course.bug;
    course.applyStop();
    const wakes = course.wakes;
    const skipped = course.schedule.settleSkips().map((skip): StepToRecord => {
      course.showOutcome(skip.id);
      return { stepId: skip.id, state: 'skipped', reason: reasonOfSkip(skip) };
    });
    if (skipped.length > 0) {
      await recordSteps(course.run, skipped);
      continue;
    }
    if (course.schedule.phase !== phase) {
      if (course.inFlight.size === 0) return;
    } else if (wantsRenewal(course)) {
      if (course.inFlight.size === 0) {
        await renewWhenDrained(course);
        continue;
      }
    } else {
      const decided = beginDue(course, scope);
      if (decided.length > 0) await recordSteps(course.run, decided);
      if (course.conditionCost > MAX_CONDITION_COST) {
        course.conditionCost = 0;
        await sleep(1);
        continue;
      }
      if (decided.length > 0) continue;
    }
    await condition(() => course.wakes !== wakes || hasNewStop(course));
  }
}

function hasNewStop({ run, schedule }: CourseRun): boolean {
  const { cancelled, outOfTime } = schedule.stops;
  return schedule.phase === 'ordinary' && run.stopCause !== undefined && !cancelled && !outOfTime;
}

/** A step that is to begin, or why it does not. */
interface DueStep {
  readonly step: CourseStep;
  readonly weight: number;
  readonly reason: Reason | null;
}

/** @returns steps that ended without beginning, whose records are to be written */
function beginDue(course: CourseRun, scope: CancellationScope): readonly StepToRecord[] {
  const decided: StepToRecord[] = [];
  for (const { step, weight, reason } of findDue(course)) {
    if (reason === null) {
      launch(course, step, weight, scope);
    } else if (reason.code === 'if-false') {
      const told = course.skip(step, reason.code, reason.message);
      decided.push({ stepId: step.id, state: 'skipped', reason: told ?? reason });
    } else {
      const { round } = course.schedule;
      course.settle(step.id, round, { outcome: 'failed', hadEffects: false }, reason);
      decided.push({ stepId: step.id, state: 'failed', reason });
    }
  }
  return decided;
}

/** What can begin beside all that is in flight. The schedule may have thousands that are due: no more are looked at than can. */
function findDue(course: CourseRun): readonly DueStep[] {
  const found: DueStep[] = [];
  let together = course.weight();
  let left = MAX_WEIGHT + course.inFlight.size;
  for (const id of course.schedule.dueToRun()) {
    if (left === 0 || course.conditionCost > MAX_CONDITION_COST) break;
    left -= 1;
    if (course.inFlight.has(id)) continue;
    const step = course.getStep(id);
    const weight = weightOf(step);
    if (together + weight > MAX_WEIGHT) break;
    const reason = step.if === undefined ? null : judge(course, step, step.if);
    found.push({ step, weight, reason });
    if (reason === null) together += weight;
    // What is due may be another thing after one that could not begin.
    else if (reason.code !== 'if-false') break;
  }
  return found;
}

function weightOf(step: CourseStep): number {
  return step.matrix === undefined ? 1 : Math.min(maxParallelOf(step), MAX_MATRIX_WEIGHT);
}

/** Why a step does not begin by its condition, or null. What its values cost is the same in every replay. */
function judge(course: CourseRun, { id }: CourseStep, expression: string): Reason | null {
  const scope = course.scope();
  const compiled = compileCel(expression, { variables: PIPELINE_VARIABLES });
  const cost = compiled.ok ? costOfCel(compiled, { ...scope, matrix: null }) : compiled;
  course.conditionCost += cost.ok ? cost.value : 0;
  const result = evaluateIf(expression, scope);
  if (!result.ok) {
    const message = `Step ${id} could not begin, for its condition has no answer: ${result.message} Correct the pipeline.`;
    return { code: result.code, message };
  }
  return result.value ? null : { code: 'if-false', message: `\`${expression}\` was false.` };
}

function launch(
  course: CourseRun,
  step: CourseStep,
  weight: number,
  scope: CancellationScope,
): void {
  course.inFlight.set(step.id, weight);
  scope
    .run(() => runCourseStep(course, step))
    .catch((error: unknown) => {
      course.bug ??= asBug(error);
    })
    .finally(() => {
      course.inFlight.delete(step.id);
      course.wakes += 1;
    });
}

/** A broken rule of the schedule is no outcome of the promotion: it must fail the workflow task, and not end the run. */
function asBug(error: unknown): Error {
  const { name, code, message } = error as { name?: string; code?: string; message?: string };
  return name === 'DomainError' ? new Error(`${code}: ${message}`) : (error as Error);
}
