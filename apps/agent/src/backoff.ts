import { setTimeout as sleep } from 'node:timers/promises';

/** Growing pauses with jitter, so that many agents do not come back in one moment. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #failures = 0;
  #cutShort: () => void = () => undefined;

  constructor(firstMs = 500, longestMs = 30_000) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  /** After a success the next pause is the shortest again. */
  reset(): void {
    this.#failures = 0;
  }

  /** The other side was reached on another way: the pause that goes on ends now. */
  wake(): void {
    this.#failures = 0;
    this.#cutShort();
  }

  /** Between half and all of the present step, which doubles each time. Ends at once on abort and when it is woken. */
  async pause(signal: AbortSignal): Promise<void> {
    const step = Math.min(this.#firstMs * 2 ** Math.min(this.#failures, 20), this.#longestMs);
    this.#failures += 1;
    const cut = new AbortController();
    this.#cutShort = () => cut.abort();
    await pauseFor(step * (0.5 + Math.random() / 2), AbortSignal.any([signal, cut.signal]));
  }
}

/** Waits, or until the abort; never throws. */
export async function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
