import type { CelNode } from './library.ts';

/** A path that an expression reads. */
export interface CelReference {
  /** `['steps', 'build-image', 'outputs', 'digest']`: as far as it stands in the source; whatever is below is read too. */
  readonly path: readonly string[];
  /** True for the operand of `has()`: only whether it is there is asked. */
  readonly has: boolean;
  /**
   * True where the expression has asked before whether it is there: `has(p) && p…`, `has(p) ? p : …`, `!has(p) || p…`, and the same with
   * `"name" in …`; and for the operand of `has()` itself.
   */
  readonly guarded: boolean;
  /** UTF-16 units before it. */
  readonly offset: number;
  /** UTF-16 units. */
  readonly length: number;
}

type Path = readonly string[];

/** What is known where a node is evaluated. */
interface Scope {
  /** Variables of comprehensions. */
  readonly bound: ReadonlySet<string>;
  /** Paths of which it is known that they are there. */
  readonly present: readonly Path[];
}

/** The paths that a tree reads, in the order of the source. */
export function collectReferences(root: CelNode): readonly CelReference[] {
  const references: CelReference[] = [];
  visit(root, { bound: new Set(), present: [] }, references);
  return references.sort((a, b) => a.offset - b.offset || a.length - b.length);
}

function visit(node: CelNode, scope: Scope, found: CelReference[]): void {
  const path = pathOf(node, scope);
  if (path !== undefined) {
    found.push(referenceTo(node, path, { has: false, guarded: isPresent(path, scope) }));
    return;
  }
  const each = (...nodes: readonly CelNode[]): void => {
    for (const child of nodes) visit(child, scope, found);
  };
  switch (node.op) {
    case 'value':
    case 'id':
      return;
    case '.':
      return each(node.args[0]);
    case 'call':
      return node.args[0] === 'has' ? visitHas(node.args[1], scope, found) : each(...node.args[1]);
    case 'rcall':
      return visitMethod(node.args, scope, found);
    case 'list':
      return each(...node.args);
    case 'map':
      return each(...node.args.flat());
    // An operand that fails doesn't matter where the other one decides: each may rely on the other.
    case '&&':
      return visitPair(node.args, scope, found, present);
    case '||':
      return visitPair(node.args, scope, found, presentUnless);
    case '?:': {
      const [condition, yes, no] = node.args;
      visit(condition, scope, found);
      visit(yes, withPresent(scope, present(condition, scope)), found);
      visit(no, withPresent(scope, presentUnless(condition, scope)), found);
      return;
    }
    case '!_':
    case '-_':
      return each(node.args);
    default:
      return each(...(node.args as readonly CelNode[]));
  }
}

function visitHas(args: readonly CelNode[], scope: Scope, found: CelReference[]): void {
  for (const operand of args) {
    const path = pathOf(operand, scope);
    if (path !== undefined) found.push(referenceTo(operand, path, { has: true, guarded: true }));
    else visit(operand, scope, found);
  }
}

function visitMethod(
  [name, receiver, args]: readonly [string, CelNode, CelNode[]],
  scope: Scope,
  found: CelReference[],
): void {
  visit(receiver, scope, found);
  const [variable, ...bodies] = args;
  if (variable?.op === 'id' && MACROS.has(name) && bodies.length > 0) {
    const inner = { ...scope, bound: new Set([...scope.bound, variable.args]) };
    for (const body of bodies) visit(body, inner, found);
  } else {
    for (const argument of args) visit(argument, scope, found);
  }
}

const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);

function visitPair(
  [left, right]: readonly [CelNode, CelNode],
  scope: Scope,
  found: CelReference[],
  known: (node: CelNode, scope: Scope) => readonly Path[],
): void {
  visit(left, withPresent(scope, known(right, scope)), found);
  visit(right, withPresent(scope, known(left, scope)), found);
}

/** Paths that are there when the node is true. */
function present(node: CelNode, scope: Scope): readonly Path[] {
  switch (node.op) {
    case '&&':
      return [...present(node.args[0], scope), ...present(node.args[1], scope)];
    case '!_':
      return presentUnless(node.args, scope);
    case 'call': {
      const operand = node.args[0] === 'has' ? node.args[1][0] : undefined;
      const path = operand === undefined ? undefined : pathOf(operand, scope);
      return path === undefined ? [] : [path];
    }
    case 'in': {
      const [member, map] = node.args;
      const path = pathOf(map, scope);
      if (path === undefined || member.op !== 'value' || typeof member.args !== 'string') return [];
      return [[...path, member.args]];
    }
    default:
      return [];
  }
}

/** Paths that are there when the node is false. */
function presentUnless(node: CelNode, scope: Scope): readonly Path[] {
  switch (node.op) {
    case '||':
      return [...presentUnless(node.args[0], scope), ...presentUnless(node.args[1], scope)];
    case '!_':
      return present(node.args, scope);
    default:
      return [];
  }
}

function withPresent(scope: Scope, more: readonly Path[]): Scope {
  return more.length === 0 ? scope : { ...scope, present: [...scope.present, ...more] };
}

/** What is there has all that it is in; what is in it may still be missing, but then that was asked of the wrong thing. */
function isPresent(path: Path, { present: known }: Scope): boolean {
  return known.some((other) => {
    const shorter = Math.min(path.length, other.length);
    return path.slice(0, shorter).every((name, at) => name === other[at]);
  });
}

function pathOf(node: CelNode, scope: Scope): Path | undefined {
  switch (node.op) {
    case 'id':
      return scope.bound.has(node.args) ? undefined : [node.args];
    case '.': {
      const path = pathOf(node.args[0], scope);
      return path === undefined ? undefined : [...path, node.args[1]];
    }
    case '[]': {
      const [of, index] = node.args;
      if (index.op !== 'value' || typeof index.args !== 'string') return undefined;
      const path = pathOf(of, scope);
      return path === undefined ? undefined : [...path, index.args];
    }
    default:
      return undefined;
  }
}

function referenceTo(
  node: CelNode,
  path: Path,
  how: { readonly has: boolean; readonly guarded: boolean },
): CelReference {
  return { path, ...how, offset: node.start, length: node.end - node.start };
}
