/** What can be wrong with a history or a file of one. */
export type HistoryFileErrorCode =
  /** Neither an archived nor an exported history, nor anything that the engine's tools write. */
  | 'history-file-unreadable'
  /** It was changed, or cut off. */
  | 'history-damaged'
  /** It is encrypted, and the key that it names was not given. */
  | 'history-key-missing'
  /** It is encrypted with a key of another tenant. */
  | 'history-tenant-mismatch'
  | 'history-too-large'
  /** Its run goes on: there is nothing to archive yet. */
  | 'history-not-closed';

/** A history that is not read or not written. Recognise it by `code`. */
export class HistoryFileError extends Error {
  readonly code: HistoryFileErrorCode;

  constructor(code: HistoryFileErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HistoryFileError';
    this.code = code;
  }
}
