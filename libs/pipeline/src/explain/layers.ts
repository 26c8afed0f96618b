/** A node of a graph: what it is called, and what comes before it. */
export interface GraphNode {
  readonly id: string;
  readonly needs: readonly string[];
}

/** Steps by their place in the graph. */
export interface Layers<T extends GraphNode> {
  /**
   * First those that need nothing; then each step right after the last of its needs. Steps of one layer can run at the same time; they
   * keep their order.
   */
  readonly layers: readonly (readonly T[])[];
  /** Those that need each other, or come after such. Needs that nobody has count for nothing. */
  readonly stuck: readonly T[];
}

/** Lays a graph out in layers, in time that grows with its edges. */
export function layersOf<T extends GraphNode>(nodes: readonly T[]): Layers<T> {
  const index = new Map(nodes.map((node, at) => [node.id, at]));
  const dependents = nodes.map((): number[] => []);
  const open = nodes.map((node, at) => {
    const needs = new Set(
      node.needs.map((need) => index.get(need)).filter((of) => of !== undefined),
    );
    for (const need of needs) dependents[need]?.push(at);
    return needs.size;
  });
  const layers: T[][] = [];
  let current = [...nodes.keys()].filter((at) => open[at] === 0);
  let placed = 0;
  while (current.length > 0) {
    layers.push(current.map((at) => nodes[at] as T));
    placed += current.length;
    const next: number[] = [];
    for (const at of current) {
      for (const dependent of dependents[at] as number[]) {
        const left = (open[dependent] as number) - 1;
        open[dependent] = left;
        if (left === 0) next.push(dependent);
      }
    }
    current = next.sort((a, b) => a - b);
  }
  const stuck = placed === nodes.length ? [] : nodes.filter((_, at) => (open[at] as number) > 0);
  return { layers, stuck };
}
