import { expect, test } from '@jest/globals';
import { seededRandom } from '../render/pipeline-samples.ts';
import { drawLanes, type LaneGraph } from './lanes.ts';
import { type GraphNode, layersOf } from './layers.ts';

const UP = 1;
const DOWN = 2;
const HORIZONTAL = 4 + 8;

function randomGraph(seed: number): readonly GraphNode[] {
  const random = seededRandom(seed);
  const size = 1 + Math.floor(random() * 14);
  const density = random() * 0.6;
  const nodes: GraphNode[] = [];
  for (let at = 0; at < size; at += 1) {
    const needs = nodes.map(({ id }) => id).filter(() => random() < density);
    nodes.push({ id: `n${at}`, needs });
  }
  return nodes
    .map((node) => ({ node, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ node }) => node);
}

/** Reads edges as a person would: down each line from the step at its top, and along what it touches. */
function edgesSeen({ rows }: LaneGraph<GraphNode>): readonly string[] {
  const edges: string[] = [];
  for (const [top, row] of rows.entries()) {
    if (row.kind !== 'node' || row.below[row.lane] !== true) continue;
    const { lane } = row;
    for (let at = top + 1; at < rows.length; at += 1) {
      const below = rows[at];
      if (below?.kind === 'node') {
        if (below.lane === lane) break;
        if (below.passing[lane] !== true) return ['a gap in a line'];
        continue;
      }
      const cell = below?.cells[lane] ?? 0;
      if ((cell & UP) === 0) return ['a line that ends in nothing'];
      if ((cell & HORIZONTAL) !== 0 || startsBelow(rows, at, lane)) {
        edges.push(...nodesBelow(rows, at, lane).map((id) => `${row.node.id} ${id}`));
      }
      if ((cell & DOWN) === 0) break;
    }
  }
  return edges.sort();
}

/** True when the next step in this lane stands directly below a row of lines. */
function startsBelow(rows: LaneGraph<GraphNode>['rows'], at: number, lane: number): boolean {
  return nodesBelow(rows, at, lane).length > 0;
}

/** The steps below a row of lines, down to the next one, that a lane leads to along it. */
function nodesBelow(
  rows: LaneGraph<GraphNode>['rows'],
  at: number,
  lane: number,
): readonly string[] {
  const lines = rows[at];
  if (lines?.kind !== 'lines') return [];
  const found: string[] = [];
  for (let next = at + 1; rows[next]?.kind === 'node'; next += 1) {
    const row = rows[next];
    if (row?.kind !== 'node') break;
    const onLine = ((lines.cells[row.lane] ?? 0) & HORIZONTAL) !== 0;
    const fromLine = ((lines.cells[lane] ?? 0) & HORIZONTAL) !== 0;
    if (row.lane === lane || (onLine && fromLine)) found.push(row.node.id);
  }
  return found;
}

test('lines show the needs, all of them and no others', () => {
  let tangled = 0;
  for (let seed = 1; seed <= 500; seed += 1) {
    const nodes = randomGraph(seed);
    const graph = drawLanes(nodes, 100) as LaneGraph<GraphNode>;
    const wanted = nodes.flatMap(({ id, needs }) => needs.map((need) => `${need} ${id}`)).sort();
    expect({ seed, edges: edgesSeen(graph) }).toEqual({ seed, edges: wanted });
    const drawn = graph.rows.flatMap((row) => (row.kind === 'node' ? [row.node.id] : []));
    expect({ seed, drawn: drawn.sort() }).toEqual({
      seed,
      drawn: nodes.map(({ id }) => id).sort(),
    });
    tangled += graph.rows.filter((row) => row.kind === 'node' && row.tangled).length;
  }
  expect(tangled).toBeGreaterThan(100);
});

test('layers: each step right after the last of its needs', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const nodes = randomGraph(seed);
    const { layers, stuck } = layersOf(nodes);
    const layerOf = new Map(layers.flatMap((layer, at) => layer.map(({ id }) => [id, at])));
    for (const { id, needs } of nodes) {
      const last = Math.max(-1, ...needs.map((need) => layerOf.get(need) as number));
      if (layerOf.get(id) !== last + 1)
        throw new Error(`seed ${seed}: ${id} is in the wrong layer`);
    }
    expect(stuck).toEqual([]);
  }
});

test('a circle is stuck, with all that comes after it', () => {
  const nodes = [
    { id: 'a', needs: [] },
    { id: 'b', needs: ['a', 'c'] },
    { id: 'c', needs: ['b'] },
    { id: 'd', needs: ['c'] },
  ];
  expect(layersOf(nodes).stuck.map(({ id }) => id)).toEqual(['b', 'c', 'd']);
});
