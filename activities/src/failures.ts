import { type FailureType, TERMINAL_FAILURES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';

/**
 * An activity's typed failure. It is not retried when its type stands in `TERMINAL_FAILURES`.
 * @param message what happened, to what, and what to do now
 */
export function activityFailure(
  type: FailureType,
  message: string,
  cause?: unknown,
): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: TERMINAL_FAILURES.includes(type),
    ...(isErrorLike(cause) ? { cause } : {}),
  });
}

/** The stable code of an error, or undefined; errors are recognised by this across package lines. */
export function errorCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of whatever was thrown. */
export function errorMessageOf(error: unknown): string {
  return isErrorLike(error) ? error.message : String(error);
}

/** True for errors that Temporal itself must see unchanged: failures, cancellation, asynchronous completion. */
export function isEngineError(error: unknown): boolean {
  return isErrorLike(error) && ENGINE_ERRORS.has(error.name);
}

const ENGINE_ERRORS: ReadonlySet<string> = new Set([
  'ApplicationFailure',
  'CancelledFailure',
  'CompleteAsyncError',
]);

function isErrorLike(error: unknown): error is Error {
  return (
    typeof error === 'object' &&
    error !== null &&
    'message' in error &&
    typeof error.message === 'string' &&
    'name' in error
  );
}
