/** A loop that runs until it is stopped. */
export interface Loop {
  /** Runs the next round now instead of after its pause. */
  wake(): void;
  /** Lets the running round end, then ends the loop. */
  stop(): Promise<void>;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Runs rounds one after the other; an error never ends the loop, it makes the pause longer.
 * @param round gives the milliseconds until the next one
 * @param onError told of each failed round, and how many failed in a row
 */
export function repeat(
  round: () => Promise<number>,
  onError: (error: unknown, failures: number) => void,
): Loop {
  let stopped = false;
  let woken = false;
  let endPause: () => void = () => undefined;
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const running = (async () => {
    let failures = 0;
    while (!stopped) {
      woken = false;
      let ms: number;
      try {
        ms = await round();
        failures = 0;
      } catch (error) {
        failures += 1;
        ms = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
        onError(error, failures);
      }
      // A wake that came during the round counts, unless the round failed: then its pause must be kept.
      if (!stopped && !(woken && failures === 0)) await pause(ms);
    }
  })();
  return {
    wake: () => {
      woken = true;
      endPause();
    },
    stop: async () => {
      stopped = true;
      endPause();
      await running;
    },
  };
}
