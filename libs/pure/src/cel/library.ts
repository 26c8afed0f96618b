import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js';
import { cutText } from '@sluice/domain';
import { printable } from '../printable.ts';
import { MAX_CEL_DEPTH, MAX_CEL_NODES } from './limits.ts';
import { type CelProblem, type CelProblemCode, MAX_CEL_MESSAGE } from './problem.ts';

/** A node of the library's syntax tree. */
export type CelNode = ASTNode;

/** A place in the source. */
export interface CelRange {
  readonly start: number;
  readonly end: number;
}

/** Methods that are run by own functions: `lowerAscii` by `lowerAsciiOnly`. */
const OWN_METHODS: ReadonlySet<string> = new Set(['lowerAscii', 'upperAscii']);

/** What the own function of a method is called, after the method's name. */
const OWN_SUFFIX = 'Only';

/** Made with the first expression: a workflow evaluates this module whenever it starts, and most have no conditions. */
let environment: Environment | undefined;

/**
 * The one environment of all expressions. Variables are not declared in it (the walk over the tree knows them), so that none has to be
 * made per pipeline.
 */
function environmentOfAll(): Environment {
  environment ??= new Environment({
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: false,
    limits: {
      maxAstNodes: MAX_CEL_NODES,
      maxDepth: MAX_CEL_DEPTH,
      maxListElements: MAX_CEL_NODES,
      maxMapEntries: MAX_CEL_NODES,
      maxCallArguments: 8,
    },
  })
    // The library's own ones fold all of Unicode, by the tables of the JavaScript engine, which change with its version.
    .registerFunction('string.lowerAsciiOnly(): string', lowerAscii, { async: false })
    .registerFunction('string.upperAsciiOnly(): string', upperAscii, { async: false });
  return environment;
}

/** Parses only. Throws the library's `ParseError`. */
export function parseCel(source: string): ParseResult {
  return environmentOfAll().parse(source);
}

/** A method's name as the source has it, after {@link adaptCall} too. */
export function methodName(name: string): string {
  const written = name.slice(0, -OWN_SUFFIX.length);
  return OWN_METHODS.has(written) && name.endsWith(OWN_SUFFIX) ? written : name;
}

/** What the library's evaluator and checker offer to a macro. */
interface MacroRoom {
  check(node: CelNode, context: unknown): { readonly kind: string; readonly name: string };
  run(node: CelNode, context: unknown): unknown;
  getType(name: string): unknown;
  createError(code: string, message: string, node: CelNode): Error;
}

interface MutableNode {
  args: unknown[];
  setMeta(key: string, value: unknown): void;
}

/**
 * Puts own code in the place of the library's at one call, where they differ: `has` here takes any expression before its last member
 * (`has(steps["build-image"].outputs.digest)`), as CEL says; the library takes plain names only.
 */
export function adaptCall(node: CelNode): void {
  const mutable = node as unknown as MutableNode;
  if (node.op === 'rcall') {
    if (OWN_METHODS.has(node.args[0])) mutable.args[0] = `${node.args[0]}${OWN_SUFFIX}`;
  } else if (node.op === 'call' && node.args[0] === 'has') {
    const operand = node.args[1][0];
    if (operand?.op !== '.') return;
    const [receiver, member] = operand.args;
    mutable.setMeta('macro', {
      typeCheck(checker: MacroRoom, _macro: unknown, context: unknown) {
        const { kind, name } = checker.check(receiver, context);
        if (kind !== 'dyn' && kind !== 'map') {
          throw checker.createError(
            'no_such_overload',
            `has() asks for a member of ${name}, which has none`,
            operand,
          );
        }
        return checker.getType('bool');
      },
      evaluate(evaluator: MacroRoom, _macro: unknown, context: unknown) {
        const value = evaluator.run(receiver, context);
        if (value instanceof Map) return value.has(member);
        // A map literal of the expression itself.
        if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
          return Object.hasOwn(value, member);
        }
        throw evaluator.createError(
          'no_such_overload',
          `has() asks for the member ${member} of something that is no map`,
          operand,
        );
      },
    });
    mutable.setMeta('async', false);
  }
}

/** Codes of the library's errors, as ours. */
const CODES: ReadonlyMap<string, CelProblemCode> = new Map([
  ['unknown_variable', 'cel-variable-unknown'],
  ['no_such_key', 'cel-member-missing'],
  ['index_out_of_bounds', 'cel-member-missing'],
  ['index_out_of_range', 'cel-member-missing'],
  ['division_by_zero', 'cel-arithmetic'],
  ['modulo_by_zero', 'cel-arithmetic'],
  ['numeric_overflow', 'cel-arithmetic'],
  ['int_conversion_error', 'cel-arithmetic'],
  ['double_conversion_error', 'cel-arithmetic'],
  ['bool_conversion_error', 'cel-type-mismatch'],
]);

/** What the library threw, as a problem. Of an error that is not its own only that it happened is told: engines word them differently. */
export function problemOfError(error: unknown, source: string): CelProblem {
  const { name, code, summary, range } = (error ?? {}) as {
    name?: unknown;
    code?: unknown;
    summary?: unknown;
    range?: CelRange;
  };
  const at = range ?? { start: 0, end: source.length };
  if (typeof code !== 'string' || typeof summary !== 'string') {
    return celProblem('cel-evaluation-failed', 'The expression could not be evaluated', at);
  }
  if (code === 'limit_exceeded') {
    return summary.includes('maxDepth')
      ? celProblem('cel-too-deep', tooDeep(), at)
      : celProblem('cel-too-many-nodes', tooManyNodes(), at);
  }
  const message = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}`;
  if (name === 'ParseError') return celProblem('cel-syntax', message, at);
  return celProblem(CODES.get(code) ?? 'cel-type-mismatch', message, at);
}

/** A problem at a place. */
export function celProblem(code: CelProblemCode, message: string, at: CelRange): CelProblem {
  return {
    ok: false,
    code,
    message: cutText(printable(message), MAX_CEL_MESSAGE),
    offset: at.start,
    length: Math.max(0, at.end - at.start),
  };
}

/** Says that an expression is nested too deep. */
export function tooDeep(): string {
  return `The expression is nested more than ${MAX_CEL_DEPTH} deep: split it into several steps`;
}

/** Says that an expression is too big. */
export function tooManyNodes(): string {
  return `The expression has more than ${MAX_CEL_NODES} parts: split it into several steps`;
}

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}
