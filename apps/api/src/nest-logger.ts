import type { LoggerService } from '@nestjs/common';
import type { Logger } from '@sluice/observability';

/**
 * Nest's own words in our log. Its exception handler is left out: whatever reaches it is answered, and
 * logged with an id, by the GraphQL error format or the agent channel's filter.
 */
export function createNestLogger(log: Logger): LoggerService {
  const write =
    (level: 'debug' | 'warn' | 'error' | 'fatal') =>
    (message: unknown, ...rest: readonly unknown[]): void => {
      const context = rest.at(-1);
      if (context === 'ExceptionsHandler') return;
      log[level]({ nest: typeof context === 'string' ? context : undefined }, textOf(message));
    };
  return {
    log: write('debug'),
    debug: write('debug'),
    verbose: write('debug'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
  };
}

function textOf(message: unknown): string {
  if (typeof message === 'string') return message;
  const text = (message as { readonly message?: unknown } | null)?.message;
  return typeof text === 'string' ? text : 'Nest';
}
