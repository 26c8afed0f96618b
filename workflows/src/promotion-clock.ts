import { sleep } from '@temporalio/workflow';

/**
 * The whole promotion's deadline: counts its time, but for what people take to decide. Its timers belong to the scope in
 * which it is started and resumed. A timer that a pause has overtaken is left to itself and means nothing: cancelled
 * through a scope of its own it would change the order of commands in older histories.
 */
export class PromotionClock {
  readonly #onExpired: () => void;
  #leftMs: number;
  #runningSince: number | undefined = undefined;
  #pauses = 0;
  #timer = 0;

  /** @param leftMs counted from its start */
  constructor(leftMs: number, onExpired: () => void) {
    this.#leftMs = leftMs;
    this.#onExpired = onExpired;
  }

  /** Starts to count. */
  start(): void {
    this.#runningSince = Date.now();
    this.#timer += 1;
    const timer = this.#timer;
    sleep(Math.max(1, this.#leftMs)).then(
      () => {
        if (this.#runningSince !== undefined && this.#timer === timer) this.#onExpired();
      },
      () => undefined,
    );
  }

  /** Of the time that it counts. */
  leftMs(): number {
    const since = this.#runningSince;
    return this.#leftMs - (since === undefined ? 0 : Date.now() - since);
  }

  /** Stands still until each pause has its {@link resume}. */
  pause(): void {
    this.#pauses += 1;
    if (this.#runningSince === undefined) return;
    this.#leftMs -= Date.now() - this.#runningSince;
    this.#runningSince = undefined;
  }

  /** Counts on. */
  resume(): void {
    this.#pauses -= 1;
    if (this.#pauses === 0) this.start();
  }
}
