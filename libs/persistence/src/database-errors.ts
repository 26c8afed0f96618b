import { codeOf } from './persistence-error.ts';

/** Errors of the operating system that mean: the server is not there, or went away. */
const SYSTEM_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  // The server's Unix socket is gone while it restarts.
  'ENOENT',
]);

/** SQLSTATEs (Postgres manual, appendix A) of a server that is shut down or starting. */
const SHUT_DOWN: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03']);

/**
 * SQLSTATEs that pass by themselves and after which nothing is committed: cancelled by a timeout (57014, 55P03, 25P03), lost a conflict
 * (40001, 40P01).
 */
const ROLLED_BACK: ReadonlySet<string> = new Set(['57014', '55P03', '25P03', '40001', '40P01']);

/** Messages of `pg` that carry no code. */
const DRIVER_MESSAGE =
  /^(connection terminated|timeout exceeded when trying to connect|timeout expired|query read timeout|client has encountered a connection error|client was closed)/i;

/**
 * True when the database could not be reached, went away, or was too busy: the same call may succeed in a
 * moment. Whether the transaction was committed may not be known then: repeat only what is idempotent.
 */
export function isUnavailable(error: unknown): boolean {
  if (isOutcomeUnknown(error)) return true;
  return someCause(error, (candidate) => {
    const code = codeOf(candidate);
    // Class 53: insufficient resources.
    return code !== undefined && (ROLLED_BACK.has(code) || /^53[0-9A-Z]{3}$/.test(code));
  });
}

/** True when the connection was lost, or never made: nobody knows whether the transaction was committed. */
export function isOutcomeUnknown(error: unknown): boolean {
  return someCause(error, (candidate) => {
    const code = codeOf(candidate);
    if (code !== undefined) {
      if (SYSTEM_CODES.has(code) || SHUT_DOWN.has(code)) return true;
      // Class 08: connection exception.
      if (/^08[0-9A-Z]{3}$/.test(code)) return true;
    }
    const message = (candidate as { message?: unknown } | null)?.message;
    return typeof message === 'string' && DRIVER_MESSAGE.test(message);
  });
}

/** True for a lost race between transactions (serialization failure or deadlock): run it again. */
export function isTransactionConflict(error: unknown): boolean {
  const code = codeOf(error);
  return code === '40001' || code === '40P01';
}

/**
 * True when a statement that was prepared before a migration does not fit any more. It never does again on this connection; a new one
 * prepares it anew.
 */
export function isStatementOutdated(error: unknown): boolean {
  if (codeOf(error) !== '0A000') return false;
  return /cached plan must not change result type/.test(String((error as Error).message));
}

/** True when a unique key refused a row; `constraint` narrows it to one by name. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (codeOf(error) !== '23505') return false;
  return constraint === undefined || (error as { constraint?: unknown }).constraint === constraint;
}

function someCause(error: unknown, test: (candidate: unknown) => boolean, depth = 0): boolean {
  if (error === null || error === undefined || depth > 5) return false;
  if (test(error)) return true;
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  if (Array.isArray(errors) && errors.some((inner) => someCause(inner, test, depth + 1))) {
    return true;
  }
  return someCause(cause, test, depth + 1);
}
