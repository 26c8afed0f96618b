/** What a gate can answer. `pending` is only for a named wait on time or on a person. */
export const DECISIONS = ['allow', 'deny', 'pending'] as const;

/** One of {@link DECISIONS}. */
export type DecisionOutcome = (typeof DECISIONS)[number];

/** One rule's word in a decision: what the policy itself returned. */
export interface DecisionTraceEntry {
  /** Id of the rule, such as `secret-in-image`. */
  readonly rule: string;
  /** Where the rule stands: `release_gate.rego:42`. */
  readonly source: string;
  readonly result: DecisionOutcome;
  /** What was found, in one line: rule, file, line. */
  readonly finding: string;
  /** What to do about it, in one line. */
  readonly remedy: string;
}

/** What a gate answered. The same input and policy give the same bytes. */
export interface Decision {
  readonly decision: DecisionOutcome;
  /** Stable, sorted, without repetition. */
  readonly reasonCodes: readonly string[];
  readonly policyDigest: string;
  readonly inputDigest: string;
  /** SHA-256 of the canonical `{decision, reasonCodes, inputDigest, policyDigest}`. */
  readonly determinismHash: string;
  /** RFC 3339; an input of the evaluation (workflow time), not a clock that was read. */
  readonly evaluatedAt: string;
  readonly trace: readonly DecisionTraceEntry[];
}
