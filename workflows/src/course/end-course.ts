import { CancellationScope } from '@temporalio/workflow';
import type { Ending } from '../interpret-pipeline.ts';
import type { SettledEnding } from '../revert-targets.ts';
import { awaitSupersession } from '../settle-ending.ts';
import type { CourseRun } from './course-run.ts';
import { runPhase } from './interpret-course.ts';
import { concludeUndo, endingAfterUndo, undoCourse } from './undo-course.ts';
import { undoEarlierRuns } from './undo-earlier-runs.ts';

/**
 * What follows the ordinary phase: what was done is put back, then the steps run that were to run however it ended. Nobody's wish ends
 * this. Production is as it was before anything slow begins, and what is told can say so.
 * @returns what is sealed
 */
export async function endCourse(course: CourseRun, ending: Ending): Promise<SettledEnding> {
  const { run } = course;
  await awaitSupersession(run, ending);
  const hasUndone = await undoEarlierRuns(course, ending);
  let settled = endingAfterUndo(course, ending);
  const isOwing = course.schedule.phase === 'compensation';
  if (isOwing) await undoCourse(course);
  if (isOwing || hasUndone) settled = await concludeUndo(course, ending);
  await runPhase(course, 'finale', CancellationScope.current());
  return run.supersededBy === undefined ? settled : endingAfterUndo(course, ending);
}
