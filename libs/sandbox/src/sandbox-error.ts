/** Stable codes of {@link SandboxError}. None of them says anything about the script: it was not run, or not to its end. */
export type SandboxErrorCode =
  /** What was asked for cannot be: an empty command, a limit out of range, a path that climbs. */
  | 'sandbox-run-invalid'
  /** bubblewrap or something else that isolation needs is missing; see the message. */
  | 'sandbox-isolation-missing'
  /** Nothing here can keep this limit; see {@link SandboxError.limit}. */
  | 'sandbox-limit-missing'
  /** bubblewrap was there, and could not make the sandbox. */
  | 'sandbox-start-failed'
  /** Processes could not be ended: the kernel holds them. */
  | 'sandbox-end-failed';

/**
 * The sandbox refuses, or broke. Recognise it by `name` and {@link SandboxError.code}, never by `instanceof`.
 */
export class SandboxError extends Error {
  readonly code: SandboxErrorCode;
  /** The limit that cannot be kept, as it is named in `SandboxLimits`; absent where it is about something else. */
  readonly limit: string | undefined;

  constructor(
    code: SandboxErrorCode,
    message: string,
    options: { readonly limit?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SandboxError';
    this.code = code;
    this.limit = options.limit;
  }
}

/** True for a {@link SandboxError}, also one of another realm. */
export function isSandboxError(error: unknown): error is SandboxError {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'SandboxError'
  );
}
