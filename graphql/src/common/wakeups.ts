/** Tells waiters that a row which they wait for may have changed; the row stays the truth. */
export interface Wakeups {
  /**
   * Begins to listen: wake-ups from now on are not lost, even those before the first `next`.
   * @param channel a notification channel of the database
   * @param payload only notifications with exactly this payload count
   */
  subscribe(channel: string, payload: string): WakeupSubscription;
  /** True when this process stops: then nobody should wait. */
  readonly isClosed: boolean;
}

/** One waiter's ear. */
export interface WakeupSubscription {
  /** Resolves at the next wake-up, or after so many milliseconds: who waits then looks at the row. */
  next(maxMs: number): Promise<void>;
  /** Must be called; ends a `next` that is under way. */
  close(): void;
}
