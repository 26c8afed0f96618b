/**
 * An upper bound of a value's size. Shapes of values are made while these are taken over; those of intermediate results are reckoned
 * from them.
 */
export interface Shape {
  /** UTF-16 units of a text, members of a list or of a map. */
  readonly length: number;
  /** Values in it, itself among them. */
  readonly nodes: number;
  /** UTF-16 units of all of its texts and names. */
  readonly chars: number;
  /** Of the longest name of a member, in UTF-16 units. */
  readonly name: number;
  /** Bounds of each member of a list. */
  readonly item: Shape | undefined;
  /** Bounds of a map's members by name; several where one of several maps can be meant. */
  readonly members: readonly ReadonlyMap<string, Shape>[];
}

/** A {@link Shape} that is being made. */
export interface GrowingShape extends Shape {
  length: number;
  nodes: number;
  chars: number;
  name: number;
  item: GrowingShape | undefined;
  members: Map<string, GrowingShape>[];
}

/** A number, a boolean or null. */
export const SCALAR: Shape = growingShape();

/** No more is reckoned with: sums and products stay exact below it. */
const MOST = 2 ** 52;

// See values.ts.
const { max, min } = Math;

/** An empty shape of its own. */
export function growingShape(): GrowingShape {
  return { length: 0, nodes: 1, chars: 0, name: 0, item: undefined, members: [] };
}

/** The bound of a text of at most so many units. */
export function textShape(length: number): Shape {
  return { ...SCALAR, length: bounded(length), chars: bounded(length) };
}

/** A list of at most so many members. */
export function listShape(length: number, item: Shape): Shape {
  return {
    ...SCALAR,
    length: bounded(length),
    nodes: bounded(1 + length * item.nodes),
    chars: bounded(length * item.chars),
    item,
  };
}

/** Keeps reckoning within what a double holds exactly: what is beyond is far above every limit. */
export function bounded(value: number): number {
  return min(value, MOST);
}

/** A bound for whichever of these values it is. Shares their parts. */
export function joinShapes(shapes: readonly Shape[]): Shape {
  const distinct = [...new Set(shapes)];
  const [first] = distinct;
  if (first === undefined) return SCALAR;
  if (distinct.length === 1) return first;
  const joined = growingShape();
  const items: Shape[] = [];
  const members = new Set<ReadonlyMap<string, Shape>>();
  for (const shape of distinct) {
    joined.length = max(joined.length, shape.length);
    joined.nodes = max(joined.nodes, shape.nodes);
    joined.chars = max(joined.chars, shape.chars);
    joined.name = max(joined.name, shape.name);
    if (shape.item !== undefined) items.push(shape.item);
    for (const alternative of shape.members) members.add(alternative);
  }
  return {
    ...joined,
    item: items.length === 0 ? undefined : joinShapes(items),
    members: [...members],
  };
}

/**
 * Widens one shape so that it holds for the values of another too, in full depth: nothing is shared.
 * @param mayGoOn asked before each part; what comes out after it said no is no bound
 */
export function widenShape(into: GrowingShape, from: Shape, mayGoOn: () => boolean): void {
  if (!mayGoOn()) return;
  into.length = max(into.length, from.length);
  into.nodes = max(into.nodes, from.nodes);
  into.chars = max(into.chars, from.chars);
  into.name = max(into.name, from.name);
  if (from.item !== undefined) {
    into.item ??= growingShape();
    widenShape(into.item, from.item, mayGoOn);
  }
  for (const members of from.members) {
    const known = into.members[0] ?? new Map<string, GrowingShape>();
    into.members[0] = known;
    for (const [name, member] of members) {
      const wider = known.get(name) ?? growingShape();
      known.set(name, wider);
      widenShape(wider, member, mayGoOn);
    }
  }
}
