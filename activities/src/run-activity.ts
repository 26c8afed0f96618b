import { traceIdOf } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import { isUnavailable } from '@sluice/persistence';
import { FAILURES, type FailureType } from '@sluice/temporal-contract';
import { CancelledFailure } from '@temporalio/common';
import type { ActivityScope } from './activity-scope.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { activityFailure, errorCodeOf, errorMessageOf, isEngineError } from './failures.ts';

/** What correlates the log lines of one activity. */
export interface Correlation {
  readonly tenantId: string;
  readonly promotionId?: string;
  readonly requestId?: string;
  readonly stepId?: string;
  readonly target?: string;
  readonly traceparent?: string;
}

/**
 * Runs an activity's body: its errors become typed failures, its log lines carry trace and promotion.
 * @param activity the activity's name, for the log and the failure's message
 */
export async function runActivity<T>(
  part: Pick<ActivityDependencies, 'logger' | 'scope' | 'observe'>,
  activity: string,
  { traceparent, ...correlation }: Correlation,
  body: (log: Logger, scope: ActivityScope) => Promise<T>,
): Promise<T> {
  const scope = part.scope();
  const traceId = traceparent === undefined ? undefined : traceIdOf(traceparent);
  const log = part.logger.child({
    activity,
    ...correlation,
    attempt: scope.attempt,
    ...(traceId === undefined ? {} : { traceId }),
  });
  const started = performance.now();
  try {
    const result = await body(log, scope);
    part.observe?.(activity, 'done', secondsSince(started));
    log.debug({ seconds: secondsSince(started) }, 'activity done');
    return result;
  } catch (error) {
    if (isAsynchronous(error)) {
      part.observe?.(activity, 'asynchronous', secondsSince(started));
      log.debug('activity goes on elsewhere');
      throw error;
    }
    if (scope.cancellation.aborted) {
      const reason = errorMessageOf(scope.cancellation.reason);
      part.observe?.(activity, 'cancelled', secondsSince(started));
      log.info({ reason }, 'activity cancelled');
      // A worker that stops is no cancellation of the work: another attempt does it elsewhere or later.
      throw reason === 'WORKER_SHUTDOWN'
        ? activityFailure(FAILURES.unavailable, `${activity}: the worker stops; it is tried again.`)
        : new CancelledFailure(`${activity} was cancelled.`);
    }
    part.observe?.(activity, 'failed', secondsSince(started));
    const failure = translate(activity, error);
    log.warn({ err: failure }, 'activity failed');
    throw failure;
  }
}

/** What an error means to the workflow; what is not known is retried. */
const FAILURE_BY_CODE: Readonly<Record<string, FailureType>> = {
  'not-found': FAILURES.notFound,
  'illegal-transition': FAILURES.illegalTransition,
  'record-conflict': FAILURES.integrity,
  'tenant-invalid': FAILURES.invalidInput,
  'evidence-not-found': FAILURES.notFound,
  'evidence-corrupt': FAILURES.integrity,
  'evidence-digest-mismatch': FAILURES.integrity,
  'evidence-too-large': FAILURES.invalidInput,
  'signer-refused': FAILURES.signerRefused,
  'signer-unavailable': FAILURES.unavailable,
  'packet-invalid': FAILURES.integrity,
};

function translate(activity: string, error: unknown): Error {
  if (isEngineError(error)) return error as Error;
  const code = errorCodeOf(error);
  const type =
    code === undefined
      ? undefined
      : isCancelPending(error)
        ? FAILURES.unavailable
        : FAILURE_BY_CODE[code];
  const message = `${activity}: ${errorMessageOf(error)}`;
  if (type !== undefined) return activityFailure(type, message, error);
  if (isUnavailable(error)) {
    return activityFailure(
      FAILURES.unavailable,
      `${activity}: the database is away (${errorMessageOf(error)}); it is tried again.`,
      error,
    );
  }
  return activityFailure(FAILURES.unavailable, message, error);
}

/** Somebody cancelled and the signal is on its way: the workflow ends this activity, no answer of it counts. */
function isCancelPending(error: unknown): boolean {
  return (error as { refusalCode?: unknown } | null)?.refusalCode === 'promotion-cancelled';
}

function isAsynchronous(error: unknown): boolean {
  return (error as { name?: unknown } | null)?.name === 'CompleteAsyncError';
}

function secondsSince(started: number): number {
  return Math.round(performance.now() - started) / 1000;
}
