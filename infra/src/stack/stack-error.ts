/** Stable codes of the ways in which a stack can fail. */
export type StackErrorCode =
  | 'stack-in-use'
  | 'stack-folder-unusable'
  | 'stack-folder-foreign'
  | 'stack-data-other-version'
  | 'stack-configuration-invalid'
  | 'stack-not-built'
  | 'stack-part-unknown'
  | 'stack-part-failed'
  | 'stack-part-timeout'
  | 'stack-port-taken'
  | 'stack-port-lost';

/** A stack that cannot start or go on; the message says which part, why, and where its log is. */
export class StackError extends Error {
  readonly code: StackErrorCode;

  constructor(code: StackErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StackError';
    this.code = code;
  }
}
