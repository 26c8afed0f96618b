import type { JsonValue } from '@sluice/domain';
import { isMap, isScalar, isSeq, type Node, type Pair, Scalar } from 'yaml';
import type { PositionedMember, PositionedNode, ScalarStyle } from './positioned-node.ts';
import type { TextFault } from './read-yaml.ts';

/** What building of nodes reads, and where it puts faults. */
export interface NodeBuilder {
  readonly text: string;
  readonly faults: TextFault[];
}

/** A JSON value with places. What JSON can't say becomes null, and a fault. */
export function buildNode(node: unknown, builder: NodeBuilder): PositionedNode {
  if (isMap(node)) return buildObject(node, builder);
  if (isSeq(node)) {
    const items = node.items.map((item) => buildNode(item, builder));
    return { value: items.map((item) => item.value), ...rangeOf(node), style: null, items };
  }
  if (isScalar(node)) {
    const range = rangeOf(node);
    return { value: jsonOf(node, builder, range.start), ...range, style: styleOf(node) };
  }
  return { value: null, start: 0, end: 0, style: 'plain' };
}

function buildObject(
  node: Node & { readonly items: readonly Pair[] },
  builder: NodeBuilder,
): PositionedNode {
  const members = new Map<string, PositionedMember>();
  for (const pair of node.items) {
    const key = isScalar(pair.key) ? String(pair.key.value ?? '') : '';
    const keyStart = isScalar(pair.key) ? rangeOf(pair.key).start : rangeOf(node).start;
    const first = members.get(key);
    if (first !== undefined) {
      builder.faults.push({
        code: 'yaml-key-twice',
        message: `The key ${shown(key)} stands twice in this object.`,
        suggestion: 'Keep one of them.',
        offset: keyStart,
        other: first.keyStart,
      });
    } else if (key === '__proto__') {
      builder.faults.push({
        code: 'yaml-key-forbidden',
        message: 'The key __proto__ is not taken.',
        suggestion: 'Take it out.',
        offset: keyStart,
      });
    } else if (key === '<<' && isScalar(pair.key) && pair.key.type === Scalar.PLAIN) {
      builder.faults.push({
        code: 'yaml-merge-key',
        message: 'Merge keys (<<) are not taken.',
        suggestion: 'Write the members here; share by `extends` or a sub-pipeline.',
        offset: keyStart,
      });
    } else {
      checkText(key, builder, keyStart);
      const valueNode =
        pair.value === null || pair.value === undefined
          ? { value: null, start: keyStart, end: keyStart, style: 'plain' as const }
          : buildNode(pair.value, builder);
      members.set(key, { keyStart, node: valueNode });
    }
  }
  const value = Object.fromEntries([...members].map(([key, member]) => [key, member.node.value]));
  return { value, ...rangeOf(node), style: null, members };
}

function jsonOf(node: Scalar, builder: NodeBuilder, offset: number): JsonValue {
  const value: unknown = node.value;
  if (typeof value === 'string') {
    checkText(value, builder, offset);
    return value;
  }
  if (typeof value === 'number') {
    const whole = /^[-+]?(?:[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(node.source ?? '');
    if (Number.isFinite(value) && (!whole || Number.isSafeInteger(value))) return value + 0;
    builder.faults.push({
      code: 'yaml-number-range',
      message: `The number ${shown(node.source ?? String(value))} can't be kept exactly.`,
      suggestion: 'Put it in quotes when it is a text; integers go up to 9007199254740991.',
      offset,
    });
    return 0;
  }
  return typeof value === 'boolean' ? value : null;
}

/** Escapes can name what no database and no canonical JSON takes. */
function checkText(text: string, builder: NodeBuilder, offset: number): void {
  const found = /\u0000|\p{Surrogate}/u.exec(text);
  if (found === null) return;
  const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  builder.faults.push({
    code: 'text-character-forbidden',
    message: `This text holds the character U+${code}, which is not taken in a pipeline.`,
    suggestion: 'Take it out.',
    offset,
  });
}

function styleOf(node: Scalar): ScalarStyle {
  switch (node.type) {
    case Scalar.QUOTE_SINGLE:
      return 'single';
    case Scalar.QUOTE_DOUBLE:
      return 'double';
    case Scalar.BLOCK_LITERAL:
      return 'literal';
    case Scalar.BLOCK_FOLDED:
      return 'folded';
    default:
      return 'plain';
  }
}

function rangeOf(node: Node): { readonly start: number; readonly end: number } {
  return { start: node.range?.[0] ?? 0, end: node.range?.[1] ?? 0 };
}

const shown = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
