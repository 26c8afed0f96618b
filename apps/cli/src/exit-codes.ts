/** Exit codes of `sluice`; documented in its help and stable. */
export const EXIT_CODES = {
  ok: 0,
  /** The request was refused, or what was asked for ended badly. */
  failed: 1,
  /** The command line, or a file that it names, is wrong. */
  usage: 2,
  /** The API did not answer. */
  unreachable: 3,
  /** A packet did not verify. */
  unverified: 4,
  /** A signal ended the program that this one had started. */
  interrupted: 130,
} as const;

/** One of {@link EXIT_CODES}. */
export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

/** What ends a command early. */
export class CliError extends Error {
  readonly code: string;
  readonly exitCode: ExitCode;
  /** What to do next; empty when the message says it already. */
  readonly next: string;

  constructor(exitCode: ExitCode, code: string, message: string, next = '') {
    super(message);
    this.name = 'CliError';
    this.code = code;
    this.exitCode = exitCode;
    this.next = next;
  }
}
