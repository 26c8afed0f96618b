/** One look at many things, by a relay that may be stopped in the middle of it. */
export interface Round {
  readonly stopping: AbortSignal;
  /** What went wrong; the round's work adds to it. */
  readonly errors: unknown[];
}

/** Questions to the engine at once, where nothing else is said; after so many errors nobody answers. */
const LANES = 8;

/**
 * Does all of them, some at once. One that fails holds up no other, but when this many did nobody answers: the rest
 * waits for the next round.
 */
export async function inLanes<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  round: Round,
  lanes: number = LANES,
): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    while (goesOn(round)) {
      const item = waiting.shift();
      if (item === undefined) return;
      await work(item).catch((error: unknown) => round.errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** False when the relay stops, or too much went wrong. */
export function goesOn({ stopping, errors }: Round): boolean {
  return !stopping.aborted && errors.length < LANES;
}
