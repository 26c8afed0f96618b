/** Everything around a command that a test may replace. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Result text; to standard output. */
  readonly out: (text: string) => void;
  /** Progress and errors; to standard error. */
  readonly err: (text: string) => void;
}

/** The real surroundings. */
export function processIo(): CliIo {
  return {
    env: process.env,
    fetch: globalThis.fetch,
    now: Date.now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
}
