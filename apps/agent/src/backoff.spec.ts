import { expect, test } from '@jest/globals';
import { Backoff } from './backoff.ts';

const never = new AbortController().signal;

test('a pause ends when the other side was reached elsewhere, and the next is short again', async () => {
  const backoff = new Backoff(1, 3_600_000);
  for (let failures = 0; failures < 4; failures += 1) await backoff.pause(never);
  const long = new Backoff(3_600_000, 3_600_000);
  const pausing = long.pause(never);
  long.wake();
  await pausing;
  // Nothing pauses: nothing to end.
  backoff.wake();
  await backoff.pause(never);
});

test('a pause ends at an abort', async () => {
  const abort = new AbortController();
  const pausing = new Backoff(3_600_000).pause(abort.signal);
  abort.abort();
  await expect(pausing).resolves.toBeUndefined();
});
