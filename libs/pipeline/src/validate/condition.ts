import type { StepTemplate } from '@sluice/domain';
import { type CelExpression, compileCel } from '@sluice/pure';
import { REFERENCE_ROOTS } from './reference.ts';

/** A node of an expression. */
export type ConditionNode = CelExpression['tree'];

/** The conditions of steps, each compiled once. */
export interface Conditions {
  /** What must all be true when the step's `if` is; empty without one, null for one that is none. */
  conjunctsOf(step: StepTemplate): readonly ConditionNode[] | null;
}

/** A {@link Conditions} of its own. */
export function createConditions(): Conditions {
  const known = new Map<string, readonly ConditionNode[] | null>();
  return {
    conjunctsOf: ({ if: source }) => {
      if (source === undefined) return [];
      const found = known.get(source);
      if (found !== undefined) return found;
      const compiled = compileCel(source, { variables: REFERENCE_ROOTS, expects: 'boolean' });
      const conjuncts = compiled.ok ? split(compiled.tree) : null;
      known.set(source, conjuncts);
      return conjuncts;
    },
  };
}

function split(node: ConditionNode): readonly ConditionNode[] {
  return node.op === '&&' ? node.args.flatMap(split) : [node];
}

/** The path that a node is: `['steps', 'a', 'outcome']`; undefined for all else. */
export function pathOfNode(node: ConditionNode): readonly string[] | undefined {
  switch (node.op) {
    case 'id':
      return [node.args];
    case '.': {
      const path = pathOfNode(node.args[0]);
      return path === undefined ? undefined : [...path, node.args[1]];
    }
    case '[]': {
      const [of, index] = node.args;
      const path = index.op === 'value' ? pathOfNode(of) : undefined;
      if (path === undefined || index.op !== 'value') return undefined;
      return typeof index.args === 'string' ? [...path, index.args] : undefined;
    }
    default:
      return undefined;
  }
}

/** The nodes within a node, in the order of the source. */
export function childrenOf(node: ConditionNode): readonly ConditionNode[] {
  const found: ConditionNode[] = [];
  const collect = (part: unknown): void => {
    if (Array.isArray(part)) for (const each of part) collect(each);
    else if (isNode(part)) found.push(part);
  };
  collect(node.args);
  return found;
}

function isNode(part: unknown): part is ConditionNode {
  return typeof part === 'object' && part !== null && 'op' in part;
}

/** The same text for conditions that mean the same but for white space, parentheses and how members are written. */
export function conditionKey(node: ConditionNode): string {
  const path = pathOfNode(node);
  if (path !== undefined) return `path${JSON.stringify(path)}`;
  const show = (part: unknown): string => {
    if (Array.isArray(part)) return `[${part.map(show).join(',')}]`;
    return isNode(part) ? conditionKey(part) : `${typeof part}:${JSON.stringify(String(part))}`;
  };
  return `${node.op}(${show(node.args)})`;
}

/** True for a condition that may say one thing of one member of a matrix and another of the next. */
export function readsMatrix(node: ConditionNode): boolean {
  if (node.op === 'id' && node.args === 'matrix') return true;
  return childrenOf(node).some(readsMatrix);
}
