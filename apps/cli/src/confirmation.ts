import type { CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';

/** True when a person can be asked: at a terminal, and not where a program reads the output. */
export function canAsk({ io, options }: CommandContext): boolean {
  return io.ask !== undefined && options.json !== true;
}

/**
 * Asks a yes-or-no question; anything but y or yes means no.
 * @throws CliError `not-confirmed` for no
 */
export async function confirm({ io }: CommandContext, question: string): Promise<void> {
  const answer = (await io.ask?.(`${question} [y/N] `)) ?? '';
  if (/^\s*y(es)?\s*$/i.test(answer)) return;
  const message = 'Nothing was done: the answer was not yes.';
  throw new CliError(EXIT_CODES.failed, 'not-confirmed', message);
}
