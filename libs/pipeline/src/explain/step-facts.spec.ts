import { expect, test } from '@jest/globals';
import { durationText, matrixText } from './step-facts.ts';

test.each([
  [0, '0 s'],
  [45, '45 s'],
  [600, '10 min'],
  [5400, '1 h 30 min'],
  [86_400, '1 day'],
  [604_860, '7 days 1 min'],
  [1.5, '1.5 s'],
])('%d seconds', (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test('where the members of a matrix come from, and when it is well', () => {
  const rest = { maxParallel: 5, failFast: true, policy: 'partial' } as const;
  expect(matrixText({ over: { targets: {} }, ...rest })).toBe(
    'each target; 5 at a time; some may fail, and that is shown; none begins after a failure',
  );
  const plain = { maxParallel: 1, failFast: false, policy: 'all' } as const;
  expect(matrixText({ over: { targets: { region: 'eu', tier: '1' } }, ...plain })).toBe(
    'each target with region=eu, tier=1; 1 at a time',
  );
  expect(matrixText({ over: { ref: 'parameters.regions' }, ...plain })).toBe(
    'each of parameters.regions; 1 at a time',
  );
  expect(matrixText({ over: { values: [1, { a: 2 }, 'c', 4, 5, 6, 7] }, ...plain })).toBe(
    'each of 7: 1, {"a":2}, c, 4, 5, 6, …; 1 at a time',
  );
});
