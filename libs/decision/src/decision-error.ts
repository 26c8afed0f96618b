/** Codes of {@link DecisionError}; stable. None of them is a decision: nothing was allowed. */
export type DecisionErrorCode =
  | 'policy-missing'
  | 'policy-corrupt'
  | 'policy-digest-mismatch'
  | 'policy-failed'
  | 'policy-output-invalid'
  | 'decision-deadline'
  | 'decision-input-invalid'
  | 'decision-engine-busy'
  | 'decision-engine-closed';

/** What this package throws. Recognise it by `code`. */
export class DecisionError extends Error {
  readonly code: DecisionErrorCode;

  constructor(code: DecisionErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'DecisionError';
    this.code = code;
  }
}
