import { expect, test } from '@jest/globals';
import { mulberry32 } from '../event-kills/kill-cases.ts';
import { drawStory, kindOf, planFaults } from './chaos-plan.ts';

const PARTS = ['postgres', 'temporal', 'signer', 'api', 'worker', 'agent-a', 'agent-b'];

test('a seed gives the same faults again, another one others', () => {
  expect(planFaults(7, 20, PARTS)).toEqual(planFaults(7, 20, PARTS));
  expect(planFaults(8, 20, PARTS)).not.toEqual(planFaults(7, 20, PARTS));
});

test('as many kills as were asked for, and every class of process is among the first six', () => {
  const faults = planFaults(7, 6, PARTS);
  expect(
    faults
      .filter(({ how }) => how === 'killed')
      .map(kindOf)
      .sort(),
  ).toEqual([
    'agent-killed',
    'api-killed',
    'postgres-killed',
    'signer-killed',
    'temporal-killed',
    'worker-killed',
  ]);
  expect(faults.filter(({ how }) => how === 'paused')).toHaveLength(2);
  expect(faults.filter(({ how }) => how === 'restarted')).toHaveLength(2);
});

test('parts that a stack does not have are not disturbed', () => {
  const parts = new Set(planFaults(3, 30, ['worker', 'agent-b']).map(({ part }) => part));
  expect([...parts].sort()).toEqual(['agent-b', 'worker']);
  expect(() => planFaults(3, 1, [])).toThrow('none of the parts');
});

test('a bad release is only asked for where no predecessor refuses it, a rejection where people are asked', () => {
  const random = mulberry32(1);
  const drawn = [0, 1, 2].map(
    (place) => new Set(Array.from({ length: 300 }, () => drawStory(random, place))),
  );
  expect([...(drawn[0] ?? [])].sort()).toEqual([
    'cancelled',
    'denied',
    'reverted',
    'rolled-back',
    'succeeded',
  ]);
  expect([...(drawn[1] ?? [])].sort()).toEqual(['cancelled', 'rolled-back', 'succeeded']);
  expect([...(drawn[2] ?? [])].sort()).toEqual([
    'cancelled',
    'rejected',
    'rolled-back',
    'succeeded',
  ]);
});
