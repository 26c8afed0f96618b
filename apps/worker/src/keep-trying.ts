import type { Logger } from '@sluice/observability';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Tries until it works or is stopped, with one log line per failed try.
 * @param what what is tried, for the log: `connect to Postgres`
 * @returns undefined when it was stopped before it worked
 */
export async function keepTrying<T>(
  what: string,
  attempt: () => Promise<T>,
  logger: Logger,
  stopped: AbortSignal,
): Promise<T | undefined> {
  for (let tries = 1; !stopped.aborted; tries += 1) {
    try {
      const result = await attempt();
      if (tries > 1) logger.info({ tries }, `${what}: worked`);
      return result;
    } catch (error) {
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS);
      logger.warn({ err: error, tries, pauseMs }, `${what}: failed; it is tried again`);
      await pause(pauseMs, stopped);
    }
  }
  return undefined;
}

/** Waits, or until it is stopped. */
export function pause(ms: number, stopped: AbortSignal): Promise<void> {
  if (stopped.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stopped.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stopped.addEventListener('abort', done);
  });
}
