import type { Reason } from '@sluice/temporal-contract';
import { isCancellation } from '@temporalio/workflow';

/** What a thrown failure of an activity means to the interpreter. */
export type FailureMeaning =
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'deadline'; readonly reason: Reason }
  | { readonly kind: 'terminal'; readonly reason: Reason };

interface FailureShape {
  readonly name?: string;
  readonly message?: string;
  readonly retryState?: string;
  readonly type?: string | null;
  readonly cause?: FailureShape;
}

/**
 * Says what a failure means, by its names alone (errors come from another realm).
 * @param subject kebab-case; a passed deadline becomes `<subject>-deadline-exceeded`
 * @param what the same for people: `Step scan`
 * @param deadlineSeconds stands in the message of a passed deadline
 * @returns undefined for what is no activity's failure: a bug, which must fail the workflow task and no promotion
 */
export function meaningOfFailure(
  error: unknown,
  subject: string,
  what: string,
  deadlineSeconds: number,
): FailureMeaning | undefined {
  if (isCancellation(error)) return { kind: 'cancelled' };
  if (!isActivityFailure(error)) return undefined;
  const failure = error as FailureShape;
  const cause = failure.cause;
  if (failure.retryState === 'TIMEOUT' || cause?.name === 'TimeoutFailure') {
    return {
      kind: 'deadline',
      reason: {
        code: `${subject}-deadline-exceeded`,
        message:
          `${what} did not end within ${deadlineSeconds} s (last: ${rootMessage(cause)}). ` +
          'Look at what it waits for, then promote again.',
      },
    };
  }
  const code = toKebabCase(cause?.type ?? 'ActivityFailed');
  return { kind: 'terminal', reason: { code, message: `${what}: ${cause?.message ?? 'failed'}` } };
}

/** True for what an awaited activity rejects with; by name, for errors come from another realm. */
export function isActivityFailure(error: unknown): boolean {
  return (error as FailureShape | undefined)?.name === 'ActivityFailure';
}

/** `SignerRefused` → `signer-refused`. */
export function toKebabCase(type: string): string {
  return type
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .toLowerCase();
}

/** The `type` that an activity's failure was thrown with. */
export function failureTypeOf(error: unknown): string {
  return (error as FailureShape).cause?.type ?? 'ActivityFailed';
}

/** The innermost message: what happened, without what it happened in. */
export function rootMessage(failure: unknown): string {
  let deepest = failure as FailureShape | undefined;
  while (deepest?.cause !== undefined) deepest = deepest.cause;
  return deepest?.message ?? 'no answer';
}
