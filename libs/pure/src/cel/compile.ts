import { findForbidden } from './check-tree.ts';
import { type CelNode, celProblem, parseCel, problemOfError, tooDeep } from './library.ts';
import { MAX_CEL_DEPTH, MAX_CEL_LENGTH } from './limits.ts';
import type { CelProblem } from './problem.ts';
import { type CelReference, collectReferences } from './references.ts';

/** What an expression is checked against. */
export interface CelOptions {
  /** Names that it may read: `steps`, `parameters`, … */
  readonly variables: readonly string[];
  /** `boolean`: refused when it can be seen that it never gives one. `any` when absent. */
  readonly expects?: 'boolean' | 'any';
}

/**
 * A checked expression. It is bound to the process that compiled it: workflows keep its source and compile it again, which gives the
 * same.
 */
export interface CelExpression {
  readonly ok: true;
  readonly source: string;
  /** `bool`, `int`, `list<string>`, …; `dyn` where only its values tell. */
  readonly type: string;
  readonly references: readonly CelReference[];
  /** Of the library; for `evaluateCel` and `costOfCel`. */
  readonly tree: CelNode;
  /** Of the library; for `evaluateCel`. */
  readonly run: (values: ReadonlyMap<string, unknown>) => unknown;
}

/**
 * More operators `!` and `-` in a row than are taken: the library's parser has no limit of its own for them. Texts and comments are
 * passed over.
 */
const OPERATORS_IN_A_ROW = new RegExp(
  [
    /"""(?:\\[^]|[^\\])*?"""|'''(?:\\[^]|[^\\])*?'''/,
    /"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'|\/\/[^\n]*/,
    new RegExp(`(?<row>(?:[!-]\\s*){${MAX_CEL_DEPTH}})`),
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
);

/**
 * Compiles a CEL expression. Never throws; the same source and options give the same answer.
 *
 * Taken: literals, lists, maps with literal names, members, all operators, `size int double string bool dyn has`, the methods
 * `size startsWith endsWith contains indexOf lastIndexOf substring trim lowerAscii upperAscii split join`, and the macros
 * `all exists exists_one filter map`. Not taken: regular expressions, times, zones, bytes, unsigned numbers, types as values.
 */
export function compileCel(source: string, options: CelOptions): CelExpression | CelProblem {
  const whole = { start: 0, end: source.length };
  if (source.length > MAX_CEL_LENGTH) {
    const message = `The expression has ${source.length} characters, more than ${MAX_CEL_LENGTH}: split it into several steps`;
    return celProblem('cel-too-long', message, whole);
  }
  for (const { index, groups } of source.matchAll(OPERATORS_IN_A_ROW)) {
    const row = groups?.row;
    if (row !== undefined) {
      return celProblem('cel-too-deep', tooDeep(), { start: index, end: index + row.length });
    }
  }
  try {
    const parsed = parseCel(source);
    const forbidden = findForbidden(parsed.ast, options.variables);
    if (forbidden !== undefined) return forbidden;
    const checked = parsed.check();
    if (!checked.valid) return problemOfError(checked.error, source);
    const type = checked.type ?? 'dyn';
    if (options.expects === 'boolean' && type !== 'bool' && !type.startsWith('dyn')) {
      return celProblem('cel-not-boolean', `The expression gives ${type}: a bool is asked`, whole);
    }
    return {
      ok: true,
      source,
      type,
      references: collectReferences(parsed.ast),
      tree: parsed.ast,
      run: (values) => parsed(values),
    };
  } catch (error) {
    return problemOfError(error, source);
  }
}

/**
 * The paths that an expression reads, in the order of the source: what can be said without values. A path ends where an index is not a
 * text in quotes; variables of comprehensions are no paths.
 */
export function referencesOf(expression: CelExpression): readonly CelReference[] {
  return expression.references;
}
