import { expect, test } from '@jest/globals';
import type { CallName } from './fault-injection.ts';
import { activityOf, choosePlaces, type FaultPlace } from './fault-places.ts';

const places: readonly FaultPlace<string>[] = ['a', 'b', 'c'].flatMap((scenario) =>
  (['scan 1', 'gate 1', 'deploy 1', 'deploy 2', `only-${scenario} 1`] as CallName[]).map(
    (call) => ({ scenario, call }),
  ),
);
const namesOf = (chosen: readonly FaultPlace<string>[], of: (one: FaultPlace<string>) => string) =>
  [...new Set(chosen.map(of))].sort();

test.each([1, 2, 3, 4, 5])('a sample has each activity and each scenario (seed %d)', (seed) => {
  const chosen = choosePlaces(places, { all: false, seed, least: 1 });
  expect(chosen.length).toBeLessThan(places.length);
  for (const of of [
    ({ scenario }: FaultPlace<string>) => scenario,
    ({ call }: FaultPlace<string>) => activityOf(call),
  ]) {
    expect(namesOf(chosen, of)).toEqual(namesOf(places, of));
  }
});

test('a seed gives the same sample again, another one others; it has as many as are wanted', () => {
  const sample = (seed: number) => choosePlaces(places, { all: false, seed, least: 9 });
  expect(sample(1)).toEqual(sample(1));
  expect(sample(2)).not.toEqual(sample(1));
  expect(sample(1)).toHaveLength(9);
  expect(choosePlaces(places, { all: false, seed: 1, least: 99 })).toHaveLength(places.length);
});

test('all of them, in their order', () => {
  expect(choosePlaces(places, { all: true, seed: 1, least: 1 })).toBe(places);
});
