import type { Logger } from '@sluice/observability';

/** Longest that an orderly stop may take. Milliseconds. */
const STOP_DEADLINE_MS = 25_000;

/** Prints the one JSON line on standard output that says a process is ready. */
export function announceReady(facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ ready: true, ...facts })}\n`);
}

/**
 * Stops once on SIGTERM or SIGINT and ends the process with status 0; with 1 when stopping failed or took too
 * long, at once at the second signal.
 */
export function onStop(log: Logger, stop: () => Promise<void>): void {
  let stopping = false;
  const end = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, STOP_DEADLINE_MS).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
