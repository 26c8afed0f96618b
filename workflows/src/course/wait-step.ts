import type { CourseStep, JsonValue } from '@sluice/domain';
import { resolveInputs } from '@sluice/pure';
import type { Reason } from '@sluice/temporal-contract';
import { sleep } from '@temporalio/workflow';
import { recordSteps } from './course-records.ts';
import type { CourseRun } from './course-run.ts';

/** The longest wait, as its step type says it. */
const MAX_WAIT_SECONDS = 2_592_000;

/**
 * `wait@1`: a timer of the interpreter, which outlives every worker. A cancellation ends it.
 * @returns null when the time has passed, otherwise why it cannot
 * @throws CancelledFailure
 */
export async function waitOut(course: CourseRun, step: CourseStep): Promise<Reason | null> {
  const found = resolveInputs(step.inputs, course.scope());
  if (!found.ok) return { code: found.code, message: `Step ${step.id}: ${found.message}` };
  const ms = durationOf(found.inputs);
  if (typeof ms === 'string') {
    return { code: 'input-invalid', message: `Step ${step.id}: ${ms} Correct the pipeline.` };
  }
  await recordSteps(course.run, [{ stepId: step.id, state: 'running', reason: null }]);
  const limit = step.timeoutSeconds * 1000;
  if (ms > 0) await sleep(Math.min(ms, limit));
  if (ms <= limit) return null;
  return {
    code: 'wait-deadline-exceeded',
    message: `Step ${step.id} was to wait longer than its ${step.timeoutSeconds} s; give it more time, or less to wait for.`,
  };
}

/** Milliseconds from now, or what is wrong. */
function durationOf({ seconds, until }: Readonly<Record<string, JsonValue>>): number | string {
  if ((seconds === undefined) === (until === undefined)) {
    return 'exactly one of seconds and until is to be given.';
  }
  if (until !== undefined) {
    // Without Z a text would be read in the zone of whoever runs this.
    const isUtc = typeof until === 'string' && until.endsWith('Z');
    const at = isUtc ? Date.parse(until) : Number.NaN;
    if (!Number.isFinite(at)) return 'until is no time in UTC.';
    return Math.max(0, at - Date.now());
  }
  const isWait =
    typeof seconds === 'number' &&
    Number.isInteger(seconds) &&
    seconds >= 1 &&
    seconds <= MAX_WAIT_SECONDS;
  if (!isWait) return `seconds is no whole number from 1 to ${MAX_WAIT_SECONDS}.`;
  return seconds * 1000;
}
