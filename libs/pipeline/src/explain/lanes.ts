import { type GraphNode, layersOf } from './layers.ts';

/** Sides that a line leaves a cell to. */
const UP = 1;
const DOWN = 2;
const LEFT = 4;
const RIGHT = 8;

/** One row of a drawn graph. Lanes are columns, counted from 0. */
export type GraphRow<T> =
  | {
      readonly kind: 'node';
      readonly node: T;
      /** Lane that the node stands in. */
      readonly lane: number;
      /** From 1. */
      readonly layer: number;
      /** True when the lines to it are long, or behind others: its needs are worth words. */
      readonly tangled: boolean;
      /** Lanes that go past it. */
      readonly passing: readonly boolean[];
      /** Lanes below it: those that go past, and its own when something still comes after it. */
      readonly below: readonly boolean[];
    }
  | {
      readonly kind: 'lines';
      /** By lane: sides as bits (up 1, down 2, left 4, right 8). A horizontal line stops at lanes that it passes behind. */
      readonly cells: readonly number[];
      /** Between lane n and lane n + 1: true where a horizontal line is. */
      readonly gaps: readonly boolean[];
    };

/** A graph with its steps one under the other. */
export interface LaneGraph<T> {
  readonly rows: readonly GraphRow<T>[];
  /** Of the widest row. */
  readonly lanes: number;
  readonly layers: number;
}

/**
 * Draws a graph from top to bottom. A vertical line is that of the step at its top, down to the last step that needs it. Steps of a layer
 * that need the same share one row of lines, right above them: every vertical line that touches the horizontal one from above leads to
 * each of them.
 * @returns null for a graph that needs more lanes
 */
export function drawLanes<T extends GraphNode>(
  nodes: readonly T[],
  maxLanes: number,
): LaneGraph<T> | null {
  const { layers } = layersOf(nodes);
  const consumers = countConsumers(nodes);
  const lanes: (string | null)[] = [];
  const rows: GraphRow<T>[] = [];
  let widest = 0;
  const layerOf = new Map(layers.flatMap((layer, at) => layer.map(({ id }) => [id, at + 1])));
  for (const [at, nodesOfLayer] of layers.entries()) {
    const layer = at + 1;
    for (const group of lanesFirst(groupsByNeeds(nodesOfLayer), lanes)) {
      if (group.length > maxLanes) return null;
      const drawn = drawGroup(group, lanes, consumers);
      if (lanes.length > maxLanes) return null;
      if (rows.length > 0) rows.push(drawn.lines);
      const tangled =
        drawn.isTangled || (group[0] as T).needs.some((need) => layerOf.get(need) !== at);
      for (const [index, node] of group.entries()) {
        const lane = drawn.columns[index] as number;
        const passing = lanes.map((held, column) => held !== null && column !== lane);
        if ((consumers.get(node.id) ?? 0) === 0) lanes[lane] = null;
        const below = lanes.map((held) => held !== null);
        rows.push({ kind: 'node', node, lane, layer, tangled, passing, below });
        widest = Math.max(widest, lane + 1, passing.lastIndexOf(true) + 1);
      }
      while (lanes.at(-1) === null) lanes.pop();
    }
  }
  return { rows, lanes: widest, layers: layers.length };
}

function countConsumers(nodes: readonly GraphNode[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { needs } of nodes) {
    for (const need of needs) counts.set(need, (counts.get(need) ?? 0) + 1);
  }
  return counts;
}

/** Steps of a layer that need the same; those that need nothing share nothing and stand alone. */
export function groupsByNeeds<T extends GraphNode>(layer: readonly T[]): readonly (readonly T[])[] {
  if (layer[0]?.needs.length === 0) return layer.map((node) => [node]);
  const groups = new Map<string, T[]>();
  for (const node of layer) {
    const key = [...node.needs].sort().join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [node]);
    else group.push(node);
  }
  return [...groups.values()];
}

/** Those of the leftmost lanes first: then lines cross less. */
function lanesFirst<T extends GraphNode>(
  groups: readonly (readonly T[])[],
  lanes: readonly (string | null)[],
): readonly (readonly T[])[] {
  const column = new Map(lanes.map((id, at) => [id, at]));
  const leftmost = ([first]: readonly T[]): number =>
    (first as T).needs.reduce(
      (least, need) => Math.min(least, column.get(need) ?? 0),
      lanes.length,
    );
  return groups
    .map((group) => ({ group, at: leftmost(group) }))
    .sort((a, b) => a.at - b.at)
    .map(({ group }) => group);
}

function drawGroup<T extends GraphNode>(
  group: readonly T[],
  lanes: (string | null)[],
  consumers: Map<string, number>,
): {
  readonly lines: GraphRow<T> & { kind: 'lines' };
  readonly columns: readonly number[];
  /** Behind other lines, or by lines of which some go on: those below might be taken for theirs. */
  readonly isTangled: boolean;
} {
  const before = lanes.map((held) => held !== null);
  const needs = new Set((group[0] as T).needs);
  const touched: number[] = [];
  for (const [column, held] of lanes.entries()) {
    if (held === null || !needs.has(held)) continue;
    touched.push(column);
    const left = (consumers.get(held) as number) - group.length;
    consumers.set(held, left);
    if (left === 0) lanes[column] = null;
  }
  const from = touched[0] ?? 0;
  const columns = group.map((node) => {
    let column = lanes.indexOf(null, from);
    if (column < 0) column = lanes.push(null) - 1;
    lanes[column] = node.id;
    return column;
  });
  const bus = new Set(touched.length === 0 ? [] : [...touched, ...columns]);
  const first = Math.min(...bus);
  const last = Math.max(...bus);
  const size = Math.max(before.length, lanes.length);
  const cells = Array.from({ length: size }, (_, column) => {
    const up = before[column] === true;
    const down = (lanes[column] ?? null) !== null;
    // A root begins below this row: nothing leads to it.
    if (!bus.has(column)) return up ? UP + DOWN : 0;
    return (
      (up ? UP : 0) + (down ? DOWN : 0) + (column > first ? LEFT : 0) + (column < last ? RIGHT : 0)
    );
  });
  const gaps = cells.map((_, column) => bus.size > 0 && column >= first && column < last);
  const open = cells.map((cell, column) =>
    cell === 0 && column > first && column < last && bus.size > 0 ? LEFT + RIGHT : cell,
  );
  const goesOn = touched.length > 1 && touched.some((column) => needs.has(lanes[column] ?? ''));
  const crosses = gaps.some((gap, column) => gap && cells[column] === UP + DOWN);
  return { lines: { kind: 'lines', cells: open, gaps }, columns, isTangled: crosses || goesOn };
}
