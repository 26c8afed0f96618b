/** The needs of steps as a graph. Indices are those of the steps' list; needs that lead nowhere are left out. */
export interface StepGraph {
  readonly size: number;
  readonly needs: readonly (readonly number[])[];
  readonly neededBy: readonly (readonly number[])[];
  /** Needs before those that need them; steps of cycles, and those after them, are missing. */
  readonly order: readonly number[];
  /** Each as it goes round, its least step first. */
  readonly cycles: readonly (readonly number[])[];
}

/** Counts what was done, for proofs that it grows with the graph and not with its square. */
export interface WorkCount {
  steps: number;
}

/** Makes a graph. Linear in steps and needs. */
export function createStepGraph(needs: readonly (readonly number[])[]): StepGraph {
  const size = needs.length;
  const neededBy: number[][] = Array.from({ length: size }, () => []);
  for (const [index, list] of needs.entries()) {
    for (const need of list) neededBy[need]?.push(index);
  }
  const left = needs.map((list) => list.length);
  const order: number[] = [];
  for (let index = 0; index < size; index += 1) if (left[index] === 0) order.push(index);
  for (let at = 0; at < order.length; at += 1) {
    for (const next of neededBy[order[at] as number] ?? []) {
      left[next] = (left[next] ?? 0) - 1;
      if (left[next] === 0) order.push(next);
    }
  }
  const cycles = order.length === size ? [] : findCycles(needs, left);
  return { size, needs, neededBy, order, cycles };
}

/** One cycle for each walk that meets one; each step belongs to at most one of those found. */
function findCycles(
  needs: readonly (readonly number[])[],
  left: readonly number[],
): readonly (readonly number[])[] {
  const cycles: number[][] = [];
  const state = new Uint8Array(needs.length);
  for (let start = 0; start < needs.length; start += 1) {
    if (state[start] !== 0 || (left[start] ?? 0) === 0) continue;
    // By hand, for a thousand steps in a chain are fine and a thousand calls within calls are not.
    const path: number[] = [start];
    const next: number[] = [0];
    state[start] = 1;
    while (path.length > 0) {
      const step = path.at(-1) as number;
      const at = next.at(-1) as number;
      const need = needs[step]?.[at];
      if (need === undefined) {
        state[step] = 2;
        path.pop();
        next.pop();
        continue;
      }
      next[next.length - 1] = at + 1;
      if ((left[need] ?? 0) === 0) continue;
      if (state[need] === 1) {
        const cycle = path.slice(path.indexOf(need));
        cycles.push(turned(cycle));
        // Found once: the walk goes on behind it.
        for (const member of cycle) state[member] = 2;
        next.length = path.length = path.length - cycle.length;
      } else if (state[need] === 0) {
        state[need] = 1;
        path.push(need);
        next.push(0);
      }
    }
  }
  return cycles;
}

function turned(cycle: readonly number[]): number[] {
  const least = cycle.indexOf(Math.min(...cycle.slice(0, 10_000)));
  return [...cycle.slice(least), ...cycle.slice(0, least)];
}

/** A question: does `step` come after `before`? */
export interface AncestorQuestion {
  readonly step: number;
  readonly before: number;
}

/**
 * Answers whether steps come after others, by any way. Thirty-two different `before` go through the graph at once, as bits: no closure is
 * ever built. Steps in or after a cycle come after nothing.
 *
 * @param work counts the needs that were looked at
 */
export function answerAncestors(
  graph: StepGraph,
  questions: readonly AncestorQuestion[],
  work: WorkCount = { steps: 0 },
): readonly boolean[] {
  const answers = questions.map(({ step, before }) => graph.needs[step]?.includes(before) ?? false);
  const groups = new Map<number, number[]>();
  for (const [index, { before }] of questions.entries()) {
    if (answers[index] === true) continue;
    const group = groups.get(before);
    if (group === undefined) groups.set(before, [index]);
    else group.push(index);
  }
  const open = [...groups];
  for (let first = 0; first < open.length; first += 32) {
    const batch = open.slice(first, first + 32);
    const bits = new Map(batch.map(([before], bit) => [before, 1 << bit]));
    const after = new Int32Array(graph.size);
    for (const step of graph.order) {
      let mask = 0;
      for (const need of graph.needs[step] ?? []) {
        mask |= (after[need] ?? 0) | (bits.get(need) ?? 0);
        work.steps += 1;
      }
      after[step] = mask;
    }
    for (const [bit, [, asked]] of batch.entries()) {
      for (const index of asked) {
        const { step } = questions[index] as AncestorQuestion;
        answers[index] = ((after[step] ?? 0) & (1 << bit)) !== 0;
      }
    }
  }
  return answers;
}

/** A value for each step from those of its needs, in one walk; steps in or after a cycle keep `undefined`. */
export function foldNeeds<T>(
  graph: StepGraph,
  valueOf: (step: number, ofNeeds: readonly T[]) => T,
): readonly (T | undefined)[] {
  const values: (T | undefined)[] = new Array<T | undefined>(graph.size).fill(undefined);
  for (const step of graph.order) {
    values[step] = valueOf(
      step,
      (graph.needs[step] ?? []).map((need) => values[need] as T),
    );
  }
  return values;
}
