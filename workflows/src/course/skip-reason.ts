import type { CourseStep, SkipCode, StepSkip } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import type { CourseRun } from './course-run.ts';

const MESSAGES: Readonly<Record<SkipCode, (because: string) => string>> = {
  'if-false': () => 'Its condition was false.',
  'nothing-failed': () => 'It runs on a failure, and there was none.',
  'not-cancelled': () => 'It runs on a cancellation, and nobody cancelled.',
  'need-bad': (because) => `Step ${because}, which it needs, did not succeed. Look at that one.`,
  'pipeline-halted': () => 'Another step did not succeed, so that nothing more began.',
  'promotion-cancelled': () => 'The promotion was cancelled before it began.',
};

/** Why a step was skipped, for people. */
export function reasonOfSkip({ code, because }: StepSkip): Reason {
  return { code, message: MESSAGES[code](because ?? '') };
}

/** Why a member of a matrix never began. */
export function reasonOfSkippedMember({ run }: CourseRun, { id }: Pick<CourseStep, 'id'>): Reason {
  return run.stopCause?.reason ?? matrixStopped(id);
}

/** Why a member never began that nobody cancelled. */
export function matrixStopped(stepId: string): Reason {
  const message = `Another member of step ${stepId} did not succeed, so that no further one began.`;
  return { code: 'matrix-stopped', message };
}
