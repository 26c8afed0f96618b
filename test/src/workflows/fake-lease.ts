import type { LeaseAnswer } from '@sluice/temporal-contract';

/** One lease and its queue, as the row and its places are: first the ready, in the order of their places. */
export class FakeLease {
  holder: string | undefined = undefined;
  fencingToken = 0;
  /** Who lost the lease to a rollback → who took it. */
  readonly superseded = new Map<string, string>();
  readonly #places: string[] = [];
  readonly #ready = new Set<string>();

  /** Who waits, in order. */
  get queue(): readonly string[] {
    return this.#places.filter((holder) => holder !== this.holder);
  }

  /** Enters the queue, not ready; a second call changes nothing. */
  enter(holder: string): void {
    if (!this.#places.includes(holder)) this.#places.push(holder);
  }

  take(holder: string): LeaseAnswer {
    this.enter(holder);
    this.#ready.add(holder);
    this.#grantNext();
    if (this.holder === holder) return { state: 'granted', fencingToken: this.fencingToken };
    const position = this.queue.indexOf(holder) + 1;
    return { state: 'queued', position, holder: this.holder ?? 'nobody' };
  }

  preempt(holder: string): LeaseAnswer {
    if (this.holder !== holder) {
      if (this.holder !== undefined) {
        this.superseded.set(this.holder, holder);
        this.#leave(this.holder);
      }
      this.enter(holder);
      this.#grant(holder);
    }
    return { state: 'granted', fencingToken: this.fencingToken };
  }

  /** Keeps the place, not ready. */
  yield(holder: string): void {
    this.#ready.delete(holder);
    if (this.holder !== holder) return;
    this.holder = undefined;
    this.#grantNext();
  }

  /** Gives back lease and place. */
  release(holder: string): void {
    this.#leave(holder);
    if (this.holder !== holder) return;
    this.holder = undefined;
    this.#grantNext();
  }

  #leave(holder: string): void {
    this.#ready.delete(holder);
    const index = this.#places.indexOf(holder);
    if (index >= 0) this.#places.splice(index, 1);
  }

  #grantNext(): void {
    if (this.holder !== undefined) return;
    const next = this.#places.find((place) => this.#ready.has(place));
    if (next !== undefined) this.#grant(next);
  }

  #grant(holder: string): void {
    this.fencingToken += 1;
    this.holder = holder;
  }
}
