import { expect, test } from '@jest/globals';
import { deadlineOf, queueSecondsOf } from './course-activities.ts';
import { maxParallelOf } from './parallel-members.ts';

const retry = { attempts: 2, backoffSeconds: 5, factor: 1, maxBackoffSeconds: 5, terminal: [] };

test('a member waits for those before it, and its deadline knows that', () => {
  expect(queueSecondsOf({ timeoutSeconds: 60 })).toBe(120);
  expect(queueSecondsOf({ timeoutSeconds: 60, isMember: true })).toBe(3600);
  const terms = { type: 'script@1' as const, timeoutSeconds: 60, retry };
  expect(deadlineOf(terms)).toBe(2 * 60 + 5 + 120);
  expect(deadlineOf({ ...terms, isMember: true })).toBe(2 * 60 + 5 + 3600);
});

test('of child processes a handful runs at a time, of all else what may be in flight', () => {
  const matrix = {
    over: { targets: {} },
    maxParallel: 400,
    failFast: false,
    policy: 'all' as const,
  };
  expect(maxParallelOf({ type: 'script@1', matrix })).toBe(8);
  expect(maxParallelOf({ type: 'deploy@1', matrix })).toBe(400);
  expect(maxParallelOf({ type: 'noop@1', matrix: { ...matrix, maxParallel: 9000 } })).toBe(500);
});
