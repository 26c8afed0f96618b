import { isCourse } from '@sluice/domain';
import type { FrozenRules } from '@sluice/temporal-contract';
import type { Ending } from '../interpret-pipeline.ts';
import type { PromotionRun } from '../promotion-run.ts';
import { recordSteps } from './course-records.ts';
import { planAgain } from './course-replan.ts';
import { CourseRun } from './course-run.ts';
import { findUnknownType, interpretCourse } from './interpret-course.ts';

/**
 * Makes a course of the frozen rules, or of where the run before this one came to, and runs its ordinary phase.
 * @throws DomainError when the steps do not hang together; ContinueAsNew
 */
export async function openCourse(run: PromotionRun, rules: FrozenRules): Promise<Ending> {
  if (!isCourse(rules.pipeline)) throw new Error('These rules have no course.');
  const unknown = findUnknownType(rules);
  if (unknown !== null) {
    await recordSteps(run, [unknown]);
    return { state: 'failed', reason: unknown.reason };
  }
  const course = new CourseRun(run, rules.pipeline, run.input.resume);
  course.planAgain = (step, reason, refused) => planAgain(course, step, reason, refused);
  run.course = course;
  return interpretCourse(run, course);
}
