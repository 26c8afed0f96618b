import { expect, test } from '@jest/globals';
import { maxPointsOf, stepSecondsOf, watchTimesOf } from './analysis-plan.ts';

test.each([
  [60, 15, { rounds: 4, roundsPerLook: 1, looks: 4 }],
  [10, 15, { rounds: 1, roundsPerLook: 1, looks: 1 }],
  [0, 15, { rounds: 1, roundsPerLook: 1, looks: 1 }],
  [300, 15, { rounds: 20, roundsPerLook: 1, looks: 20 }],
  [315, 15, { rounds: 21, roundsPerLook: 2, looks: 11 }],
  [604_800, 1, { rounds: 604_800, roundsPerLook: 30_240, looks: 20 }],
])('%i s, every %i s', (soak, every, times) => {
  expect(watchTimesOf(soak, every)).toEqual(times);
});

test('steps grow with the time, and with the range where that would have too many points', () => {
  const plan = { stepSeconds: null, metrics: Array.from({ length: 10 }) } as never;
  expect(stepSecondsOf(plan, 60, 60)).toBe(5);
  expect(stepSecondsOf(plan, 3600, 3600)).toBe(30);
  expect(maxPointsOf(10)).toBe(1000);
  expect(stepSecondsOf(plan, 60, 100_000)).toBe(100);
  expect(stepSecondsOf({ stepSeconds: 2, metrics: [] }, 60, 60)).toBe(2);
});
