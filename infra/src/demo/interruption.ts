const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

// npm passes Ctrl-C on although the terminal sent it to us already: two within this time are one.
const ONE_KEY_PRESS_MS = 1_000;

/** A person's or a supervisor's wish to end, from the first signal on. */
export type Interruption = {
  /** Resolves at the first signal. */
  readonly happened: Promise<void>;
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  hasHappened(): boolean;
  /** The work's result, or a rejection as soon as a signal comes; the work itself goes on. */
  orElse<Result>(work: Promise<Result>): Promise<Result>;
  /** Gives the signals back to Node. */
  close(): void;
};

/** Takes SIGINT, SIGTERM and SIGHUP over; a second key press ends this process at once. */
export function untilInterrupted(): Interruption {
  let firstAt: number | undefined;
  const controller = new AbortController();
  let tell: () => void = () => undefined;
  const happened = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const onSignal = (): void => {
    if (firstAt === undefined) {
      firstAt = Date.now();
      tell();
      controller.abort(new Error('interrupted'));
    } else if (Date.now() - firstAt > ONE_KEY_PRESS_MS) {
      process.exit(130);
    }
  };
  for (const signal of SIGNALS) {
    process.on(signal, onSignal);
  }
  // Neither a signal handler nor our detached children keep Node running while it waits.
  const stayingUp = setInterval(() => undefined, 60_000);
  return {
    happened,
    hasHappened: () => firstAt !== undefined,
    signal: controller.signal,
    orElse: (work) => {
      const interrupted = happened.then(() => {
        throw new Error('interrupted');
      });
      return Promise.race([work, interrupted]);
    },
    close: () => {
      clearInterval(stayingUp);
      for (const signal of SIGNALS) {
        process.removeListener(signal, onSignal);
      }
    },
  };
}
