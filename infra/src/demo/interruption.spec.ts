import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Interruption } from './interruption.ts';
import { untilInterrupted } from './interruption.ts';

let interruption: Interruption;

beforeEach(() => {
  interruption = untilInterrupted();
});

afterEach(() => {
  interruption.close();
});

test('work that ends before any signal gives its result', async () => {
  expect(await interruption.orElse(Promise.resolve('done'))).toBe('done');
  expect(interruption.hasHappened()).toBe(false);
});

test('a signal ends the wait, and the second of one key press does not end us', async () => {
  const forever = interruption.orElse(new Promise(() => undefined));
  process.emit('SIGINT');
  process.emit('SIGINT');
  await expect(forever).rejects.toThrow('interrupted');
  await interruption.happened;
  expect([interruption.hasHappened(), interruption.signal.aborted]).toEqual([true, true]);
});
