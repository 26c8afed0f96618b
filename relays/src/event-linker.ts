import type { Logger } from '@sluice/observability';
import { linkEvents, type Pool } from '@sluice/persistence';
import type { Relay } from './outbox-relay.ts';
import { repeat } from './repeat.ts';

/** Milliseconds between looks for unlinked events. */
const PERIOD_MS = 500;

/** Gives committed events their position and hash, one tenant at a time. */
export function startEventLinker(options: {
  /** Of the role sluice_linker. */
  readonly pool: Pool;
  readonly logger: Logger;
  readonly periodMs?: number;
}): Relay {
  const { pool, logger, periodMs = PERIOD_MS } = options;
  const loop = repeat(
    async () => {
      const linked = await linkEvents(pool);
      if (linked > 0) logger.debug({ linked }, 'events linked');
      return periodMs;
    },
    (error, failures) => logger.warn({ err: error, failures }, 'event linker: the round failed'),
  );
  return { stop: () => loop.stop() };
}
