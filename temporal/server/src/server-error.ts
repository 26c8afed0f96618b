/** Stable codes of the ways in which the embedded Temporal server can refuse or fail. */
export type TemporalServerErrorCode =
  | 'temporal-not-runnable'
  | 'temporal-start-failed'
  | 'temporal-start-timeout'
  | 'temporal-folder-newer'
  | 'temporal-settings-invalid'
  | 'temporal-search-attribute-type'
  | 'temporal-namespace-timeout'
  | 'port-none-free';

/** A failure around the Temporal server; recognise it by {@link TemporalServerError.code}. */
export class TemporalServerError extends Error {
  readonly code: TemporalServerErrorCode;

  constructor(code: TemporalServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TemporalServerError';
    this.code = code;
  }
}
