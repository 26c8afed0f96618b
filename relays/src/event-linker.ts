import type { Logger } from '@sluice/observability';
import { createListener, linkEvents, type Pool, UNLINKED_CHANNEL } from '@sluice/persistence';
import type { Relay } from './outbox-relay.ts';
import { repeat } from './repeat.ts';

/** Milliseconds between looks for unlinked events when nobody notifies: a notification may be missed. */
const PERIOD_MS = 500;

/** Milliseconds that a notification waits for more: a transaction of one step stores several events. */
const DEBOUNCE_MS = 10;

/**
 * Milliseconds between the beginnings of two rounds: where events come all the time, as those of a long pipeline, many share one. Whoever
 * follows them sees them that much later at most.
 */
const LEAST_GAP_MS = 100;

/** Gives committed events their position and hash, one tenant at a time, as soon as they are there. */
export function startEventLinker(options: {
  /** Of the role sluice_linker. */
  readonly pool: Pool;
  /** Same role as the pool's; for LISTEN. Without it events are found by looking now and then. */
  readonly connectionString?: string;
  readonly logger: Logger;
  readonly periodMs?: number;
}): Relay {
  const { pool, logger, connectionString, periodMs = PERIOD_MS } = options;
  let began = Number.NEGATIVE_INFINITY;
  const loop = repeat(
    async () => {
      began = performance.now();
      const linked = await linkEvents(pool);
      if (linked > 0) logger.debug({ linked }, 'events linked');
      return periodMs;
    },
    (error, failures) => logger.warn({ err: error, failures }, 'event linker: the round failed'),
  );
  let soon: NodeJS.Timeout | undefined;
  const wakeSoon = (): void => {
    soon ??= setTimeout(
      () => {
        soon = undefined;
        loop.wake();
      },
      Math.max(DEBOUNCE_MS, began + LEAST_GAP_MS - performance.now()),
    );
  };
  const listener =
    connectionString === undefined
      ? undefined
      : createListener({
          connectionString,
          channels: [UNLINKED_CHANNEL],
          applicationName: 'sluice-linker-listener',
          onNotify: wakeSoon,
          onConnected: wakeSoon,
          onConnectionError: (error) =>
            logger.warn({ err: error }, 'event linker: listening was lost'),
        });
  return {
    stop: async () => {
      clearTimeout(soon);
      await listener?.close();
      await loop.stop();
    },
  };
}
