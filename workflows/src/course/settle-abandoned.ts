import { type Course, type CourseStep, isCourse } from '@sluice/domain';
import { groupLease } from '@sluice/temporal-contract';
import { CancellationScope, sleep } from '@temporalio/workflow';
import { records } from '../activity-classes.ts';
import type { Ending } from '../interpret-pipeline.ts';
import type { PromotionRun } from '../promotion-run.ts';
import type { SettledEnding } from '../revert-targets.ts';
import { recordSteps } from './course-records.ts';
import { CourseRun } from './course-run.ts';
import { concludeUndo, tell, undoStep } from './undo-course.ts';

/**
 * How long an execution may still be at work once its promotion is gone: it hears of that with its next heartbeat, and a process is given
 * time to end by itself.
 */
const OUTLIVING = '15s';

/**
 * Ends a course whose own workflow is gone. No step begins any more; what still runs is given the time to hear that it is to end. What
 * was begun is unknown: each step that has a compensation is put back, what needs others first, and one that never began says so. Steps that wanted to run however it ended do not run: nothing can be said
 * to them but that the promotion was lost, and the promotion's reason says that. Its groups are given back.
 */
export async function settleAbandonedCourse(
  run: PromotionRun,
  ending: Ending,
): Promise<SettledEnding> {
  const pipeline = run.rules?.pipeline;
  if (pipeline === undefined || !isCourse(pipeline)) return ending;
  const course = new CourseRun(run, pipeline, undefined);
  const scope = new CancellationScope();
  run.compensation = scope;
  await fence(run, pipeline, ending);
  const toUndo =
    ending.reason?.code === 'superseded'
      ? []
      : lastFirst(pipeline).filter(({ compensate }) => compensate === true);
  const groups = groupsOf(pipeline);
  // Agents are fenced by the records alone.
  if (groups.size > 0 || toUndo.some(({ changesTargets }) => changesTargets !== true)) {
    await sleep(OUTLIVING);
  }
  for (const step of toUndo) {
    await tell(course, step, await scope.run(() => undoStep(course, step, true)));
  }
  const { promotion } = run.input;
  for (const group of groups) {
    await records.releaseLease({ promotion, resource: groupLease(group) });
  }
  return concludeUndo(course, ending);
}

/** What has ended keeps its outcome: the record refuses the rest. */
function fence(run: PromotionRun, { steps }: Course, { reason }: Ending): Promise<void> {
  return recordSteps(
    run,
    steps.map(({ id }) => ({ stepId: id, state: 'cancelled', reason })),
  );
}

/** Each step after all that need it. */
function lastFirst({ steps }: Course): readonly CourseStep[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const order = new Map<string, CourseStep>();
  const open = new Map(steps.map(({ id, needs }) => [id, needs.length]));
  const dependents = new Map<string, string[]>();
  for (const { id, needs } of steps) {
    for (const need of needs) dependents.set(need, [...(dependents.get(need) ?? []), id]);
  }
  const free = steps.filter(({ needs }) => needs.length === 0).map(({ id }) => id);
  for (const id of free) {
    const step = byId.get(id);
    if (step !== undefined) order.set(id, step);
    for (const dependent of dependents.get(id) ?? []) {
      const left = (open.get(dependent) ?? 0) - 1;
      open.set(dependent, left);
      if (left === 0) free.push(dependent);
    }
  }
  return [...order.values()].reverse();
}

function groupsOf({ steps }: Course): ReadonlySet<string> {
  return new Set(
    steps.flatMap(({ concurrencyGroup: group }) => (group === undefined ? [] : [group])),
  );
}
