import { CliError, EXIT_CODES } from './exit-codes.ts';

/** Says that there is no such environment. */
export function noEnvironment(name: string): CliError {
  const next = 'See sluice queue for all of them.';
  const message = `There is no environment ${name}.`;
  return new CliError(EXIT_CODES.failed, 'environment-not-found', message, next);
}
