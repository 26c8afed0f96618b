/** A point that activities reach and a test waits for. */
export interface Point {
  readonly reached: Promise<void>;
  reach(): void;
}

/** Makes a {@link Point}; reaching it again changes nothing. */
export function createPoint(): Point {
  let reach = (): void => undefined;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  return { reached, reach: () => reach() };
}

/** Waits for a state that a test expects; throws when it does not come in time. */
export async function until(
  isReached: () => boolean | Promise<boolean>,
  seconds = 30,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await isReached())) {
    if (Date.now() > deadline)
      throw new Error(`the expected state was not reached within ${seconds} s`);
    await pause(50);
  }
}

/** Milliseconds of doing nothing. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
