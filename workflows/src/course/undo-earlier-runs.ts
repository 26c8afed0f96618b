import type { CourseStep, StepState } from '@sluice/domain';
import { isSettled } from '@sluice/domain';
import { CancellationScope, log, sleep } from '@temporalio/workflow';
import { records } from '../activity-classes.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import type { Ending } from '../interpret-pipeline.ts';
import { recordSteps } from './course-records.ts';
import type { CourseRun } from './course-run.ts';
import { lastFirst } from './last-first.ts';
import { NOTHING_UNDONE, tell, undoStep } from './undo-course.ts';

/** How long an execution may still be at work once its run is gone: it hears of that with its next heartbeat, and ends its processes. */
export const OUTLIVING = '15s';

/** A step that an earlier run has begun, and how its record stands; null where the records could not be asked. */
interface EarlierStep {
  readonly step: CourseStep;
  readonly state: StepState | null;
}

/**
 * Puts back what a run before a reset has done and this one has not come to: the records know of it. Before anything of this run's own is,
 * for nothing that this run did can be based on it. Only asked at an unhappy end, and once.
 * @returns false when there was nothing of that kind
 */
export async function undoEarlierRuns(course: CourseRun, { state }: Ending): Promise<boolean> {
  const { run } = course;
  if (course.rules.undoesEarlierRuns !== true || course.undoing !== undefined) return false;
  if (state === 'succeeded' || run.supersededBy !== undefined) return false;
  const unknown = findUnknown(course);
  if (unknown.length === 0) return false;
  const earlier = await findEarlier(course, unknown);
  course.undoing = NOTHING_UNDONE;
  if (earlier.length === 0) return false;
  run.compensation ??= new CancellationScope();
  const scope = run.compensation;
  await fence(course, earlier);
  for (const { step } of earlier) {
    if (step.changesTargets === true) run.effectsBegun = true;
    await tell(course, step, await scope.run(() => undoStep(course, step, true)));
  }
  return true;
}

/**
 * Steps that would be put back and of which this run knows no effect, each after all that need it. What is still pending is decided in the
 * finale, of which nothing is put back, nor is what a run before this one settled there. A deployment that went back for a stale plan was
 * refused everywhere: the seal looks whether it was.
 */
function findUnknown({ run, course, schedule }: CourseRun): readonly CourseStep[] {
  const known = new Set(schedule.compensationsDue());
  return lastFirst(course).filter(({ id, compensate, changesTargets }) => {
    if (compensate !== true || known.has(id)) return false;
    const standing = schedule.standingOf(id);
    if (!isSettled(standing) || standing.inFinale === true) return false;
    return !(changesTargets === true && run.round > 1);
  });
}

/** Not knowing is no reason to leave anything behind: each is asked to be put back then, and one that never began says so. */
async function findEarlier(
  { run }: CourseRun,
  unknown: readonly CourseStep[],
): Promise<readonly EarlierStep[]> {
  const { promotion } = run.input;
  try {
    const begun = await records.listBegunSteps({ promotion });
    const states = new Map(begun.map(({ stepId, state }) => [stepId, state]));
    return unknown.flatMap((step) => {
      const state = states.get(step.id);
      return state === undefined ? [] : [{ step, state }];
    });
  } catch (error) {
    const meaning = meaningOfFailure(error, 'list-steps', 'List of steps', 0);
    if (meaning === undefined) throw error;
    log.warn('what an earlier run has begun is not known', { meaning });
    return unknown.map((step) => ({ step, state: null }));
  }
}

/** What an attempt of the run before still does, it does to its end or hears that its run is gone. Agents are fenced by the records alone. */
async function fence({ run }: CourseRun, earlier: readonly EarlierStep[]): Promise<void> {
  const isOpen = ({ state }: EarlierStep): boolean =>
    state === null || state === 'running' || state === 'waiting';
  const open = earlier.filter(isOpen);
  for (const { step, state } of earlier) {
    if (state !== null) run.setStep(step.id, state, null);
  }
  const reason = run.stopCause?.reason ?? null;
  await recordSteps(
    run,
    open.map(({ step }) => ({ stepId: step.id, state: 'cancelled', reason })),
  );
  if (open.some(({ step }) => step.changesTargets !== true)) await sleep(OUTLIVING);
}
