import { expect, test } from '@jest/globals';
import { listKillCases, STORIES, sampleCases, VICTIMS } from './event-kills/kill-cases.ts';
import { samplePlaces } from './fault-sample.ts';

const places = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

test('a seed draws the same places again, in their order; all of them when all are wanted', () => {
  const draw = (seed: number) => samplePlaces(places, 3, { all: false, seed });
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).toEqual([...draw(1)].sort());
  expect(draw(1)).toHaveLength(3);
  const drawn = Array.from({ length: 40 }, (_, seed) => draw(seed)).flat();
  expect([...new Set(drawn)].sort()).toEqual(places);
  expect(samplePlaces(places, 3, { all: true, seed: 1 })).toEqual(places);
});

test.each([1, 2, 3])(
  'sampled kills meet every story, and each process equally (seed %d)',
  async (seed) => {
    const sample = sampleCases(await listKillCases(), 12, seed);
    expect(sample).toHaveLength(12);
    expect([...new Set(sample.map(({ story }) => story))].sort()).toEqual(
      Object.keys(STORIES).sort(),
    );
    for (const victim of VICTIMS) {
      expect(sample.filter((one) => one.victim === victim)).toHaveLength(4);
    }
    expect(new Set(sample.map(({ story, victim }) => `${story} ${victim}`)).size).toBe(6);
  },
);
