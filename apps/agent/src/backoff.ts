import { setTimeout as sleep } from 'node:timers/promises';

/** Growing pauses with jitter, so that many agents do not come back in one moment. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #failures = 0;

  constructor(firstMs = 500, longestMs = 30_000) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  /** After a success the next pause is the shortest again. */
  reset(): void {
    this.#failures = 0;
  }

  /** Between half and all of the present step, which doubles each time. Ends at once on abort. */
  async pause(signal: AbortSignal): Promise<void> {
    const step = Math.min(this.#firstMs * 2 ** Math.min(this.#failures, 20), this.#longestMs);
    this.#failures += 1;
    await pauseFor(step * (0.5 + Math.random() / 2), signal);
  }
}

/** Waits, or until the abort; never throws. */
export async function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
