/** Codes of {@link SigningError}; stable. */
export type SigningErrorCode =
  | 'key-file-missing'
  | 'key-file-too-open'
  | 'key-file-invalid'
  | 'key-file-exists'
  | 'public-key-invalid'
  | 'trust-root-invalid'
  | 'json-invalid'
  | 'packet-invalid'
  | 'socket-path-unsafe'
  | 'signer-refused'
  | 'signer-unavailable';

/** What this package throws. Recognise it by `code`. */
export class SigningError extends Error {
  readonly code: SigningErrorCode;

  constructor(code: SigningErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SigningError';
    this.code = code;
  }
}

/** The signer was reached and said no: asking again gives the same answer until the records change. */
export class SignerRefusedError extends SigningError {
  /** The signer's own code, such as `decision-not-allow`. */
  readonly refusalCode: string;

  constructor(refusalCode: string, message: string) {
    super('signer-refused', message);
    this.name = 'SignerRefusedError';
    this.refusalCode = refusalCode;
  }
}
