/** Codes of {@link PersistenceError}. Recognise an error by its code, never by `instanceof`. */
export type PersistenceErrorCode =
  /** A row that the caller relies on does not exist in this tenant. */
  | 'not-found'
  /** The transition table does not allow this change of state. */
  | 'illegal-transition'
  /** An immutable record exists already, with other content. */
  | 'record-conflict'
  /** A version of a pipeline was published with other content. */
  | 'pipeline-version-taken'
  /** A cursor that this system did not hand out. */
  | 'cursor-invalid'
  /** A page size that is no whole number from 1 to 100. */
  | 'page-size-invalid'
  /** A tenant id that is no DNS label. */
  | 'tenant-invalid'
  /** The configuration contradicts itself or what stands in the records. */
  | 'configuration-invalid'
  /** The migrations on disk and those that were applied do not agree. */
  | 'migration-mismatch'
  /** A migration failed; the cause says why. */
  | 'migration-failed';

/** What the records refused: the message says what, about which row, and what to do next. */
export class PersistenceError extends Error {
  readonly code: PersistenceErrorCode;

  constructor(code: PersistenceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PersistenceError';
    this.code = code;
  }
}

/** True for a {@link PersistenceError} with this code, from whatever realm it comes. */
export function isPersistenceError(error: unknown, code: PersistenceErrorCode): boolean {
  return nameOf(error) === 'PersistenceError' && codeOf(error) === code;
}

/** The error's `code`, when it has one that is text. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function nameOf(error: unknown): unknown {
  return (error as { name?: unknown } | null | undefined)?.name;
}
