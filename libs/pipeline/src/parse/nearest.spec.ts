import { expect, test } from '@jest/globals';
import { createNearestName } from './nearest.ts';

/** Names, of which it counts how many were looked at. */
function counted(names: readonly string[], count: { looked: number }): Iterable<string> {
  return {
    *[Symbol.iterator]() {
      for (const name of names) {
        count.looked += 1;
        yield name;
      }
    },
  };
}

test('the nearest name is found, and a far one is not', () => {
  const nearest = createNearestName();
  expect(nearest('biuld', ['scan', 'build'])).toBe('build');
  expect(nearest('deploy_eu', ['deploy-eu', 'deploy-us'])).toBe('deploy-eu');
  expect(nearest('migration', ['scan'])).toBeUndefined();
  expect(nearest('x'.repeat(81), ['x'.repeat(80)])).toBeUndefined();
});

test('the bound is on cells: long names use it up sooner than short ones', () => {
  const looks = (length: number): number => {
    const names = Array.from({ length: 10_000 }, (_, at) =>
      `${'ab'.repeat(length)}${at}`.slice(-length),
    );
    const count = { looked: 0 };
    const nearest = createNearestName(100_000);
    for (let round = 0; round < 20; round += 1) {
      nearest('x'.repeat(length), counted(names, count));
    }
    return count.looked;
  };
  expect(looks(10)).toBeLessThanOrEqual(1000 + 20);
  expect(looks(70)).toBeLessThanOrEqual(21 + 20);
});

test('a prefix of a very long name is still near to nothing', () => {
  expect(createNearestName()('name', [`name${'x'.repeat(10_000)}`])).toBeUndefined();
});
