import type { Logger } from '@sluice/observability';
import { DefaultLogger, type LogEntry, Runtime } from '@temporalio/worker';

/** Milliseconds in which one message of the engine's pollers is logged once: each of them says the same. */
const REPEATED_MESSAGE_MS = 10_000;

/**
 * Sets the engine's native part up, once per process: its warnings go to our log, and signals are ours to
 * handle, for relays and workers stop in an order of ours.
 */
export function installEngineRuntime(logger: Logger): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', createEntryWriter(logger)),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
  });
}

function createEntryWriter(logger: Logger): (entry: LogEntry) => void {
  const lastWritten = new Map<string, number>();
  return ({ level, message, meta }) => {
    const fields = { ...meta };
    // Counts and ids differ, the message is the same; workflows and activities say nothing twice.
    if (fields['sdkComponent'] === 'core') {
      const kind = message.replace(/\d+/g, '#');
      const now = Date.now();
      if (now - (lastWritten.get(kind) ?? 0) < REPEATED_MESSAGE_MS) return;
      if (lastWritten.size > 1000) lastWritten.clear();
      lastWritten.set(kind, now);
    }
    if (level === 'ERROR') logger.error(fields, message);
    else if (level === 'WARN') logger.warn(fields, message);
    else if (level === 'INFO') logger.info(fields, message);
    else logger.debug(fields, message);
  };
}
