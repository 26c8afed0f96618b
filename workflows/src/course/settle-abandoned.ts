import { type Course, isCourse } from '@sluice/domain';
import { groupLease } from '@sluice/temporal-contract';
import { CancellationScope, sleep } from '@temporalio/workflow';
import { records } from '../activity-classes.ts';
import type { Ending } from '../interpret-pipeline.ts';
import type { PromotionRun } from '../promotion-run.ts';
import type { SettledEnding } from '../revert-targets.ts';
import { recordSteps } from './course-records.ts';
import { CourseRun } from './course-run.ts';
import { lastFirst } from './last-first.ts';
import { concludeUndo, tell, undoStep } from './undo-course.ts';
import { OUTLIVING } from './undo-earlier-runs.ts';

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

function groupsOf({ steps }: Course): ReadonlySet<string> {
  return new Set(
    steps.flatMap(({ concurrencyGroup: group }) => (group === undefined ? [] : [group])),
  );
}
