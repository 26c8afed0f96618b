import type { WakeupSubscription, Wakeups } from '@sluice/graphql';

/** One ear on the database for all waiters of this process. */
export interface SharedWakeups extends Wakeups {
  /** Wakes those who wait for this. */
  notify(channel: string, payload: string): void;
  /** Wakes everybody: notifications may have been lost. */
  notifyAll(): void;
  /** From now on nobody waits any more: this process stops. */
  close(): void;
  readonly isClosed: boolean;
}

/** Hands notifications out to subscriptions; what arrives between two waits is kept as one. */
export function createSharedWakeups(): SharedWakeups {
  const subscriptions = new Map<string, Set<() => void>>();
  let isClosed = false;
  const keyOf = (channel: string, payload: string): string => `${channel} ${payload}`;
  const notifyAll = (): void => {
    for (const group of subscriptions.values()) for (const wake of group) wake();
  };
  return {
    notifyAll,
    get isClosed() {
      return isClosed;
    },
    close() {
      isClosed = true;
      notifyAll();
    },
    notify(channel, payload) {
      for (const wake of subscriptions.get(keyOf(channel, payload)) ?? []) wake();
    },
    subscribe(channel, payload): WakeupSubscription {
      const key = keyOf(channel, payload);
      const group = subscriptions.get(key) ?? new Set();
      subscriptions.set(key, group);
      let woken = false;
      let resume: (() => void) | undefined;
      const wake = (): void => {
        woken = true;
        resume?.();
      };
      group.add(wake);
      return {
        async next(maxMs) {
          if (!woken) {
            await new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, maxMs);
              resume = () => {
                clearTimeout(timer);
                resolve();
              };
            });
          }
          resume = undefined;
          woken = false;
        },
        close() {
          group.delete(wake);
          // Closed twice, it must not take away the group of one who came between.
          if (group.size === 0 && subscriptions.get(key) === group) subscriptions.delete(key);
          wake();
        },
      };
    },
  };
}
