/**
 * `type` of every ApplicationFailure that an activity throws. Retryable unless it stands in
 * {@link TERMINAL_FAILURES}.
 */
export const FAILURES = {
  /** A needed row or blob does not exist: asking again gives the same answer. */
  notFound: 'NotFound',
  /** Content does not match its digest, or a record contradicts another. */
  integrity: 'Integrity',
  /** Input that no retry mends. */
  invalidInput: 'InvalidInput',
  /** The signer refused: decision, lease or plan do not allow this command. */
  signerRefused: 'SignerRefused',
  /** The scanner is missing or unusable on this worker. */
  scannerUnavailable: 'ScannerUnavailable',
  /** The scanner ended badly or printed something that is no report. */
  scannerFailed: 'ScannerFailed',
  /** The policy bundle is missing, does not load or ran past its deadline. */
  policyUnavailable: 'PolicyUnavailable',
  /** The lease is not held (any more) by this promotion. */
  leaseLost: 'LeaseLost',
  /** A record does not allow this change of state. */
  illegalTransition: 'IllegalTransition',
  /** Database, signer, disk or network for a moment not there: retried. */
  unavailable: 'Unavailable',
  /** An agent's report is not there yet, and nothing but another attempt will find it: retried, and no failure to tell. */
  reportAwaited: 'ReportAwaited',
  /** A disruption budget has no room for another target: tried again, and no failure to tell. Its last attempt of a schedule is not retried. */
  budgetExhausted: 'BudgetExhausted',
  /** A disruption budget never has room. Not retried. */
  budgetZero: 'BudgetZero',
} as const;

/** One of {@link FAILURES}. */
export type FailureType = (typeof FAILURES)[keyof typeof FAILURES];

/** Types that no retry mends; given to every retry policy as `nonRetryableErrorTypes`. */
export const TERMINAL_FAILURES: readonly FailureType[] = [
  FAILURES.notFound,
  FAILURES.integrity,
  FAILURES.invalidInput,
  FAILURES.signerRefused,
  FAILURES.scannerUnavailable,
  FAILURES.policyUnavailable,
  FAILURES.leaseLost,
  FAILURES.illegalTransition,
];

/**
 * `type` of the failure of a step's attempt that failed while attempts are left: retried. Its details are one `Reason`. The last attempt's result comes
 * back as a result.
 */
export const STEP_ATTEMPT_FAILED = 'StepAttemptFailed';
