import { CEL_FORBIDDEN, CEL_FUNCTIONS, CEL_MACROS, CEL_METHODS } from './functions.ts';
import { adaptCall, type CelNode, celProblem, tooDeep } from './library.ts';
import { MAX_CEL_DEPTH, MAX_CEL_NESTING } from './limits.ts';
import type { CelProblem, CelProblemCode } from './problem.ts';

/** Of the 64 bits of CEL's int; one more is let through for the sake of `-9223372036854775808`. */
const MAX_INT = 2n ** 63n;

interface Scope {
  readonly depth: number;
  /** Variables that may be read, those of comprehensions too: with how deep the expression nested what they stand for. */
  readonly variables: ReadonlyMap<string, number>;
}

/**
 * Walks a parsed tree: only what is allowed is let through (variables, functions, literals), whatever else the library can do. Puts own
 * functions in their places, too.
 * @returns the first problem in the order of the tree
 */
export function findForbidden(root: CelNode, variables: readonly string[]): CelProblem | undefined {
  const problems: CelProblem[] = [];
  const refuse = (code: CelProblemCode, message: string, node: CelNode): void => {
    if (problems.length === 0) problems.push(celProblem(code, message, node));
  };
  /** Returns how many lists and maps deep the expression itself has nested its result. */
  const nesting = (node: CelNode, outer: Scope): number => {
    if (problems.length > 0) return 0;
    const scope = { ...outer, depth: outer.depth + 1 };
    if (scope.depth > MAX_CEL_DEPTH) {
      refuse('cel-too-deep', tooDeep(), node);
      return 0;
    }
    const deepest = (nodes: readonly CelNode[]): number =>
      Math.max(0, ...nodes.map((child) => nesting(child, scope)));
    const nest = (inner: number): number => {
      if (inner >= MAX_CEL_NESTING) refuse('cel-too-deep', nestedTooDeep(), node);
      return inner + 1;
    };
    switch (node.op) {
      case 'value':
        checkLiteral(node.args, node, refuse);
        return 0;
      case 'id':
        if (!scope.variables.has(node.args)) {
          refuse('cel-variable-unknown', unknownVariable(node.args, scope), node);
        }
        return scope.variables.get(node.args) ?? 0;
      case '.':
        return memberOf(nesting(node.args[0], scope));
      case '[]': {
        const of = nesting(node.args[0], scope);
        nesting(node.args[1], scope);
        return memberOf(of);
      }
      case 'call': {
        const [name, args] = node.args;
        const inner = checkCall(name, args, node, refuse) ? deepest(args) : 0;
        return name === 'dyn' ? inner : 0;
      }
      case 'rcall': {
        const [name, receiver, args] = node.args;
        const arity = CEL_MACROS.get(name);
        if (arity?.includes(args.length)) {
          const of = nesting(receiver, scope);
          const [variable, ...bodies] = args;
          if (variable?.op !== 'id') {
            refuse('cel-syntax', `${name}() begins with the name of a variable`, variable ?? node);
            return 0;
          }
          const inner = {
            ...scope,
            variables: new Map(scope.variables).set(variable.args, memberOf(of)),
          };
          const body = Math.max(0, ...bodies.map((child) => nesting(child, inner)));
          if (name === 'map') return nest(body);
          return name === 'filter' ? of : 0;
        }
        if (checkMethod(name, args, node, refuse)) deepest([receiver, ...args]);
        return name === 'split' ? 1 : 0;
      }
      case 'list':
        return nest(deepest(node.args));
      case 'map':
        for (const [key] of node.args) {
          if (key.op !== 'value' || typeof key.args !== 'string' || DROPPED.has(key.args)) {
            refuse('cel-literal-forbidden', mapKey(), key);
          }
        }
        return nest(deepest(node.args.flat()));
      case '!_':
      case '-_':
        return nesting(node.args, scope);
      default:
        if (!OPERATORS.has(node.op)) {
          refuse('cel-syntax', `${String(node.op)} is not taken here`, node);
          return 0;
        }
        return NESTED.has(node.op)
          ? deepest(operandsOf(node))
          : Math.min(0, deepest(operandsOf(node)));
    }
  };
  nesting(root, { depth: 0, variables: new Map(variables.map((name) => [name, 0])) });
  return problems[0];
}

/** What is in a list or a map is nested less deep. */
function memberOf(nesting: number): number {
  return Math.max(0, nesting - 1);
}

type Refuse = (code: CelProblemCode, message: string, node: CelNode) => void;

const OPERATORS: ReadonlySet<string> = new Set([
  ...['?:', '||', '&&', '!=', '==', 'in'],
  ...['+', '-', '*', '/', '%', '<', '<=', '>', '>='],
]);

/** Those that give what one of their operands is. */
const NESTED: ReadonlySet<string> = new Set(['?:', '+']);

function operandsOf(node: CelNode): readonly CelNode[] {
  return node.args as readonly CelNode[];
}

/** Keys that the library leaves out of a map without a word. */
const DROPPED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

function checkLiteral(value: unknown, node: CelNode, refuse: Refuse): void {
  if (typeof value === 'object' && value !== null) {
    const message = 'Bytes and unsigned numbers are not taken: write a text or an int';
    refuse('cel-literal-forbidden', message, node);
  } else if (typeof value === 'bigint' && value > MAX_INT) {
    refuse('cel-literal-forbidden', 'An int has 64 bits: write a double', node);
  }
}

function checkCall(name: string, args: readonly CelNode[], node: CelNode, refuse: Refuse): boolean {
  if (name === 'has') {
    if (args.length === 1 && args[0]?.op === '.') adaptCall(node);
    else refuse('cel-syntax', 'has() takes one member, as in has(steps.build.outputs)', node);
    return args.length === 1;
  }
  return checkArity(name, CEL_FUNCTIONS.get(name)?.arity, args.length, node, refuse);
}

function checkMethod(
  name: string,
  args: readonly CelNode[],
  node: CelNode,
  refuse: Refuse,
): boolean {
  const arity = CEL_METHODS.get(name)?.arity ?? CEL_MACROS.get(name);
  if (!checkArity(name, arity, args.length, node, refuse)) return false;
  adaptCall(node);
  return true;
}

function checkArity(
  name: string,
  arity: readonly number[] | undefined,
  given: number,
  node: CelNode,
  refuse: Refuse,
): boolean {
  if (arity?.includes(given)) return true;
  const reason = CEL_FORBIDDEN.get(name);
  if (arity !== undefined) {
    const message = `${name}() takes ${arity.join(' or ')} arguments, not ${given}`;
    refuse('cel-function-unknown', message, node);
  } else if (reason !== undefined) {
    refuse('cel-function-forbidden', `${name}() is left out: ${reason}`, node);
  } else {
    const known = [...CEL_FUNCTIONS.keys(), 'has', ...CEL_METHODS.keys(), ...CEL_MACROS.keys()];
    const message = `There is no function ${name}(); there are ${[...new Set(known)].join(', ')}`;
    refuse('cel-function-unknown', message, node);
  }
  return false;
}

function unknownVariable(name: string, { variables }: Scope): string {
  return `There is no variable ${name} here; there are ${[...variables.keys()].join(', ')}`;
}

function nestedTooDeep(): string {
  return `The expression builds lists and maps more than ${MAX_CEL_NESTING} deep: build them in several steps`;
}

function mapKey(): string {
  return 'A key of a map is a text in quotes, and none of __proto__, constructor and prototype';
}
