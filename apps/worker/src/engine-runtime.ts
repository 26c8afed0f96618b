import type { Logger } from '@sluice/observability';
import { DefaultLogger, type LogEntry, Runtime } from '@temporalio/worker';

/**
 * Sets the engine's native part up, once per process: its warnings go to our log, and signals are ours to
 * handle, for the relays must stop after the workers.
 */
export function installEngineRuntime(logger: Logger): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', (entry) => writeEntry(logger, entry)),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
  });
}

function writeEntry(logger: Logger, { level, message, meta }: LogEntry): void {
  const fields = { ...meta };
  if (level === 'ERROR') logger.error(fields, message);
  else if (level === 'WARN') logger.warn(fields, message);
  else if (level === 'INFO') logger.info(fields, message);
  else logger.debug(fields, message);
}
