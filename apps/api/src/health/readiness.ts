/** Something without which this process can't do its work. */
export interface ReadinessCheck {
  /** Shown by `/readyz`: `postgres`, `temporal`, `trust-root`. */
  readonly name: string;
  /** Rejects, with a message for the log, when it is not there. */
  readonly check: () => Promise<void>;
}

/** What `/readyz` answers. */
export interface Readiness {
  readonly ready: boolean;
  /** Names of the checks that failed. */
  readonly missing: readonly string[];
}

/**
 * Runs every check at once; one that takes longer than the deadline counts as failed.
 * @param onFailure told which check failed and why
 */
export async function checkReadiness(
  checks: readonly ReadinessCheck[],
  deadlineMs: number,
  onFailure: (name: string, error: unknown) => void,
): Promise<Readiness> {
  const missing: string[] = [];
  await Promise.all(
    checks.map(async ({ name, check }) => {
      try {
        await withDeadline(check(), deadlineMs);
      } catch (error) {
        missing.push(name);
        onFailure(name, error);
      }
    }),
  );
  return { ready: missing.length === 0, missing: missing.sort() };
}

async function withDeadline(work: Promise<void>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
