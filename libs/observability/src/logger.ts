import { type DestinationStream, destination, type Level, type Logger, pino } from 'pino';
import { redact, redactText } from './redact.ts';

export type { Logger } from 'pino';

/** Log levels that the configuration takes. */
export const LOG_LEVELS = [
  'trace',
  'debug',
  'info',
  'warn',
  'error',
  'fatal',
  'silent',
] as const satisfies readonly (Level | 'silent')[];

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A logger that writes one JSON line per entry to standard error (standard output belongs to results),
 * synchronously, with secrets taken out of fields and texts. Bind correlation with
 * `logger.child({ traceId, promotionId })`.
 * @param options.level `info` where nothing or something unknown is given
 * @param options.stream for tests
 */
export function createLogger(options: {
  readonly service: string;
  readonly level?: string | undefined;
  readonly stream?: DestinationStream;
}): Logger {
  const level = LOG_LEVELS.find((known) => known === options.level) ?? 'info';
  return pino(
    {
      level,
      base: { service: options.service, pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      serializers: { err: redact },
      formatters: {
        level: (label) => ({ level: label }),
        bindings: (bindings) => redact(bindings) as Record<string, unknown>,
        log: (fields) => redact(fields) as Record<string, unknown>,
      },
      hooks: {
        logMethod(args, method) {
          const cleaned = args.map((arg) => (typeof arg === 'string' ? redactText(arg) : arg));
          method.apply(this, cleaned as Parameters<typeof method>);
        },
      },
    },
    options.stream ?? destination({ dest: 2, sync: true }),
  );
}
