import type { Reason } from '@sluice/temporal-contract';
import type { Ending } from '../interpret-pipeline.ts';
import type { CourseRun } from './course-run.ts';

/** Names in a message; the rest is counted. */
const SHOWN = 5;

/** How the ordinary phase of a course ended, and why: before anything is put back. */
export function endingOfCourse({ run, schedule, troubles }: CourseRun): Ending {
  const { ending: state, bad, tolerated } = schedule.result();
  switch (state) {
    case 'cancelled':
      return { state, reason: run.stopCause?.reason ?? CANCELLED };
    case 'denied':
      return { state, reason: run.denial ?? troubles[0]?.reason ?? null };
    case 'failed': {
      if (schedule.stops.outOfTime && run.stopCause !== undefined) return run.stopCause;
      const first = troubles[0]?.reason ?? UNKNOWN;
      const others = bad.filter((id) => id !== troubles[0]?.stepId);
      const more = others.length === 0 ? '' : ` Not done either: ${names(others)}.`;
      return { state, reason: { code: first.code, message: first.message + more } };
    }
    case 'succeeded':
      if (tolerated.length === 0) return { state, reason: null };
      return {
        state,
        reason: {
          code: 'failures-tolerated',
          message: `Did not succeed, and was taken: ${names(tolerated)}.`,
        },
      };
  }
}

/** The first of them, and how many there are besides. */
export function names(ids: readonly string[], count = ids.length): string {
  const shown = ids.slice(0, SHOWN);
  const more = count - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const CANCELLED: Reason = {
  code: 'promotion-cancelled',
  message: 'The promotion was cancelled.',
};

const UNKNOWN: Reason = {
  code: 'step-failed',
  message: 'A step failed without a reason; see its log.',
};
