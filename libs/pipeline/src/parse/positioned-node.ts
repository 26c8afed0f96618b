import type { JsonValue } from '@sluice/domain';

/** How a scalar stands in the text. */
export type ScalarStyle = 'plain' | 'single' | 'double' | 'literal' | 'folded';

/** A value of a pipeline's text with its place: offsets in UTF-16 units. */
export interface PositionedNode {
  readonly value: JsonValue;
  readonly start: number;
  readonly end: number;
  /** Null for lists and objects. */
  readonly style: ScalarStyle | null;
  /** Of an object. */
  readonly members?: ReadonlyMap<string, PositionedMember>;
  /** Of a list. */
  readonly items?: readonly PositionedNode[];
}

/** A member of an object with the place of its key. */
export interface PositionedMember {
  readonly keyStart: number;
  readonly node: PositionedNode;
}

/** A place within a value: names of members and indices of lists. */
export type ValuePath = readonly (string | number)[];

/** The node at a path; undefined where the text has none. */
export function findNode(root: PositionedNode, path: ValuePath): PositionedNode | undefined {
  let node: PositionedNode | undefined = root;
  for (const part of path) {
    node = typeof part === 'number' ? node?.items?.[part] : node?.members?.get(part)?.node;
    if (node === undefined) return undefined;
  }
  return node;
}
