import type { Logger } from '@sluice/observability';
import { isOciError } from '@sluice/oci';
import type { Activation, TargetDriver } from '@sluice/target-drivers';
import { Backoff } from './backoff.ts';
import type { ContentStore } from './content-store.ts';
import { type Failure, failureOf, isDamage } from './failure.ts';

/** A blob that comes damaged is asked for this often. */
const MAX_DAMAGED = 3;

/**
 * Brings what an activation needs to the target. A control plane that is away is waited for until the
 * command expires.
 * @returns why it is not there; undefined when it is
 * @throws what ended it, when the signal is aborted
 */
export async function fetchActivation(
  activation: Activation,
  parts: {
    readonly driver: TargetDriver;
    readonly content: ContentStore;
    readonly log: Logger;
    /** Milliseconds since the epoch. */
    readonly expiresAt: number;
    readonly now: () => Date;
  },
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { driver, content, log, expiresAt, now } = parts;
  const backoff = new Backoff();
  for (let damaged = 0; ; ) {
    try {
      await driver.prepare(activation, content, signal);
      return undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = failureOf(error);
      const expired = now().getTime() >= expiresAt;
      if (isOciError(error) && error.code.endsWith('-mismatch') && error.digest !== undefined) {
        await content.remove(error.digest);
      }
      const again = failure.code === 'control-plane-unreachable' || isDamage(failure.code);
      if (isDamage(failure.code)) damaged += 1;
      if (!again || expired || damaged >= MAX_DAMAGED) return failure;
      log.warn(failure, 'Fetching failed and is tried again.');
      await backoff.pause(signal);
      signal.throwIfAborted();
    }
  }
}
