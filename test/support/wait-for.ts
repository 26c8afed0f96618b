import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait, and how often to look. */
export interface WaitOptions {
  /** 30 when absent. */
  readonly seconds?: number;
  /** 100 when absent. */
  readonly everyMs?: number;
}

/**
 * Looks again and again until there is something to see.
 *
 * @param what - said when it never came: `the agent is offline`.
 * @param look - gives what was waited for, or undefined or false as long as it is not there.
 * @param last - tells what is there instead, for the error.
 * @throws Error when the time is up.
 */
export async function waitFor<Value>(
  what: string,
  look: () => Promise<Value | undefined | false> | Value | undefined | false,
  options: WaitOptions = {},
  last: () => unknown = () => 'nothing of it',
): Promise<Value> {
  const { seconds = 30, everyMs = 100 } = options;
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) {
      throw new Error(
        `Waited ${seconds} s for: ${what}. There is: ${JSON.stringify(last())?.slice(0, 3000)}`,
      );
    }
    await sleep(everyMs);
  }
}
