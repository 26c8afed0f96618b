/** What can be wrong with an expression before it is evaluated. */
export const CEL_COMPILE_PROBLEMS = [
  'cel-too-long',
  'cel-too-deep',
  'cel-too-many-nodes',
  'cel-syntax',
  'cel-variable-unknown',
  'cel-function-unknown',
  /** A function of CEL that is left out on purpose. */
  'cel-function-forbidden',
  /** Bytes, unsigned and overlong numbers, map keys that are not texts. */
  'cel-literal-forbidden',
  'cel-type-mismatch',
  'cel-not-boolean',
] as const;

/** What can come up when it is. */
export const CEL_EVALUATION_PROBLEMS = [
  /** Its bound on these values is above the limit: it was not begun. */
  'cel-too-costly',
  /** Something was handed over that JSON doesn't hold, or that is nested too deep. */
  'cel-value-refused',
  'cel-variable-unknown',
  /** A member or an index that is not there. */
  'cel-member-missing',
  'cel-type-mismatch',
  'cel-not-boolean',
  /** Division by zero, overflow, a text that is no number. */
  'cel-arithmetic',
  /** The result is no JSON value: a number that is infinite, none at all, or an integer beyond 2^53. */
  'cel-result-refused',
  'cel-evaluation-failed',
] as const;

/** One of {@link CEL_COMPILE_PROBLEMS} or {@link CEL_EVALUATION_PROBLEMS}. */
export type CelProblemCode =
  | (typeof CEL_COMPILE_PROBLEMS)[number]
  | (typeof CEL_EVALUATION_PROBLEMS)[number];

/** What is wrong, and where in the expression. */
export interface CelProblem {
  readonly ok: false;
  readonly code: CelProblemCode;
  /** One sentence or two: what happened, to what, what to do. Printable, at most {@link MAX_CEL_MESSAGE} units. */
  readonly message: string;
  /** UTF-16 units before the place. */
  readonly offset: number;
  /** UTF-16 units; 0 where something is missing. */
  readonly length: number;
}

/** UTF-16 units of a message: longer ones are cut. */
export const MAX_CEL_MESSAGE = 300;
