import type { JsonValue } from '@sluice/domain';
import type { CelExpression } from './compile.ts';
import { boundCost, failureCost } from './cost.ts';
import { celProblem, problemOfError } from './library.ts';
import { CEL_STEPS_PER_VALUE, MAX_CEL_COST } from './limits.ts';
import type { CelProblem } from './problem.ts';
import { type AdmittedValues, admitValues, emitValue } from './values.ts';

/** Values of an expression's variables: JSON. */
export type CelValues = Readonly<Record<string, unknown>>;

/** A value, or why there is none. */
export type CelResult<T extends JsonValue = JsonValue> =
  | { readonly ok: true; readonly value: T }
  | CelProblem;

/**
 * Evaluates an expression. Never throws; the same expression and values give the same answer, in every process and whatever the order of
 * members in the values.
 *
 * Values go in as JSON: integers within ±(2^53 - 1) are ints, other numbers doubles. A member that is not there is an error
 * (`cel-member-missing`), but under `has()`. The result is JSON: ints become numbers, those beyond 2^53 are refused, as are numbers that
 * are infinite or none. Its bound of steps on these values ({@link costOfCel}) must not be above {@link MAX_CEL_COST}, or it isn't begun
 * (`cel-too-costly`).
 */
export function evaluateCel(expression: CelExpression, values: CelValues): CelResult {
  try {
    const prepared = prepare(expression, values);
    if (!prepared.ok) return prepared;
    if (prepared.cost > MAX_CEL_COST) return tooCostly(expression, `${prepared.cost}`);
    const emitted = emitValue(expression.run(prepared.admitted.values));
    if (emitted.ok) return emitted;
    return celProblem('cel-result-refused', emitted.message, whole(expression));
  } catch (error) {
    return problemOfError(error, expression.source);
  }
}

/** Evaluates an expression that must give a boolean; anything else is the problem `cel-not-boolean`. Otherwise as {@link evaluateCel}. */
export function evaluateCondition(
  expression: CelExpression,
  values: CelValues,
): CelResult<boolean> {
  const result = evaluateCel(expression, values);
  if (!result.ok) return result;
  if (typeof result.value === 'boolean') return { ok: true, value: result.value };
  const message = `The condition gives ${kindOf(result.value)}, not a bool: compare it with something`;
  return celProblem('cel-not-boolean', message, whole(expression));
}

/**
 * The steps that an evaluation on these values can take at most, reckoned from the tree and from the sizes of the values that it reads,
 * without evaluating. Deterministic. Never throws.
 */
export function costOfCel(expression: CelExpression, values: CelValues): CelResult<number> {
  try {
    const prepared = prepare(expression, values);
    return prepared.ok ? { ok: true, value: prepared.cost } : prepared;
  } catch (error) {
    return problemOfError(error, expression.source);
  }
}

interface Prepared {
  readonly ok: true;
  readonly admitted: AdmittedValues;
  readonly cost: number;
}

function prepare(expression: CelExpression, values: CelValues): Prepared | CelProblem {
  const maxNodes = MAX_CEL_COST / CEL_STEPS_PER_VALUE;
  const admitted = admitValues(values, expression.references, maxNodes);
  if (!admitted.ok) {
    if (admitted.reason === 'too-many') return tooCostly(expression, `more than ${MAX_CEL_COST}`);
    const message = `${admitted.message}: give JSON to the expression`;
    return celProblem('cel-value-refused', message, whole(expression));
  }
  const { tree, source } = expression;
  const cost =
    admitted.nodes * CEL_STEPS_PER_VALUE +
    boundCost(tree, admitted.shapes, failureCost(source.length));
  return { ok: true, admitted, cost };
}

function tooCostly(expression: CelExpression, steps: string): CelProblem {
  const message = `The expression can take ${steps} steps on these values, and ${MAX_CEL_COST} are allowed: read less, or put fewer comprehensions into each other`;
  return celProblem('cel-too-costly', message, whole(expression));
}

function whole({ source }: CelExpression): { readonly start: number; readonly end: number } {
  return { start: 0, end: source.length };
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : `a ${typeof value}`;
}
