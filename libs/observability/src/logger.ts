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
  const logger = pino(
    {
      level,
      base: { service: options.service, pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      // `formatters.log` has described errors already.
      serializers: { err: (error: unknown) => error },
      formatters: {
        level: (label) => ({ level: label }),
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
  // Pino formats the bindings of children with nothing; children inherit this method.
  const bind = logger.child;
  logger.child = function child(this: Logger, bindings, options) {
    return bind.call(this, redact(bindings) as Record<string, unknown>, options);
  } as typeof logger.child;
  return logger;
}
