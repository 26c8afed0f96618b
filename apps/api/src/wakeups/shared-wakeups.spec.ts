import { expect, test } from '@jest/globals';
import { createSharedWakeups } from './shared-wakeups.ts';

test('a waiter is woken by its own payload and by no other', async () => {
  const wakeups = createSharedWakeups();
  const mine = wakeups.subscribe('commands', 'acme/one');
  const started = performance.now();
  const waiting = mine.next(2000);
  wakeups.notify('commands', 'acme/two');
  wakeups.notify('other', 'acme/one');
  setTimeout(() => wakeups.notify('commands', 'acme/one'), 30);
  await waiting;
  expect(performance.now() - started).toBeGreaterThan(20);
  expect(performance.now() - started).toBeLessThan(1500);
  mine.close();
});

test('what comes before the wait is not lost, and counts once', async () => {
  const wakeups = createSharedWakeups();
  const mine = wakeups.subscribe('commands', 'acme/one');
  wakeups.notify('commands', 'acme/one');
  wakeups.notify('commands', 'acme/one');
  await mine.next(5000);
  const started = performance.now();
  await mine.next(40);
  expect(performance.now() - started).toBeGreaterThan(30);
  mine.close();
});

test('notifyAll and close end every wait', async () => {
  const wakeups = createSharedWakeups();
  const one = wakeups.subscribe('a', 'x');
  const two = wakeups.subscribe('b', 'y');
  const waits = [one.next(60_000), two.next(60_000)];
  wakeups.notifyAll();
  await Promise.all(waits);
  const again = one.next(60_000);
  one.close();
  await again;
  two.close();
});

test('one that is closed twice leaves alone who came between', async () => {
  const wakeups = createSharedWakeups();
  const first = wakeups.subscribe('commands', 'acme/one');
  first.close();
  const second = wakeups.subscribe('commands', 'acme/one');
  first.close();
  const started = performance.now();
  const waiting = second.next(5000);
  wakeups.notify('commands', 'acme/one');
  await waiting;
  expect(performance.now() - started).toBeLessThan(2000);
  second.close();
});
