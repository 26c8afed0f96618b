/** What can be wrong with a payload or the codec's keys. */
export type CodecErrorCode =
  | 'codec-keys-invalid'
  | 'codec-tenant-unknown'
  | 'codec-key-missing'
  | 'codec-key-unknown'
  | 'codec-tenant-mismatch'
  | 'codec-payload-plain'
  | 'codec-payload-damaged';

/** A payload that is not encoded or not decoded, because doing so would not be safe. Recognise it by `code`. */
export class CodecError extends Error {
  readonly code: CodecErrorCode;

  constructor(code: CodecErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CodecError';
    this.code = code;
  }
}
