import { CancellationScope } from '@temporalio/workflow';
import type { Ending } from '../interpret-pipeline.ts';
import type { SettledEnding } from '../revert-targets.ts';
import { awaitSupersession } from '../settle-ending.ts';
import type { CourseRun } from './course-run.ts';
import { runPhase } from './interpret-course.ts';
import { concludeUndo, endingAfterUndo, undoCourse } from './undo-course.ts';

/**
 * What follows the ordinary phase: what was done is put back, then the steps run that were to run however it ended. Nobody's wish ends
 * this. Production is as it was before anything slow begins, and what is told can say so.
 * @returns what is sealed
 */
export async function endCourse(course: CourseRun, ending: Ending): Promise<SettledEnding> {
  const { run } = course;
  await awaitSupersession(run, ending);
  let settled = endingAfterUndo(course, ending);
  if (course.schedule.phase === 'compensation') {
    await undoCourse(course);
    settled = await concludeUndo(course, ending);
  }
  await runPhase(course, 'finale', CancellationScope.current());
  return run.supersededBy === undefined ? settled : endingAfterUndo(course, ending);
}
