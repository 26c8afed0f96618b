import { describe, expect, test } from '@jest/globals';
import { type StoredActivation, selectKept } from './retention.ts';

/** `a1` is an activation of release a; the order is that of its confirmation. */
const stored = (ids: string, ...others: readonly string[]): readonly StoredActivation[] => [
  ...ids.split(' ').map((id, at) => ({ id, releaseDigest: id[0] ?? '', confirmedAs: at + 1 })),
  ...others.map((id) => ({ id, releaseDigest: id[0] ?? '', confirmedAs: null })),
];

const kept = (...args: Parameters<typeof selectKept>) => [...selectKept(...args)].sort();

describe('of what lies on a target there stays', () => {
  test.each([
    [
      'the last releases, each by its newest activation',
      stored('a1 b1 a2 c1 d1'),
      ['d1', 'c1'],
      'd',
      3,
      ['a2', 'c1', 'd1'],
    ],
    [
      'one more than asked for, when that is the last good other one',
      stored('a1 b1 b2 b3'),
      ['b3', 'b2'],
      'b',
      1,
      ['a1', 'b2', 'b3'],
    ],
    [
      'what is in use although it was never confirmed',
      stored('a1 b1', 'c1', 'd1'),
      ['c1', 'd1'],
      'c',
      1,
      ['b1', 'c1', 'd1'],
    ],
    [
      'the last ones of an emptied target',
      stored('a1 b1 c1'),
      ['-1', 'c1'],
      null,
      2,
      ['-1', 'b1', 'c1'],
    ],
    ['nothing else when nothing was confirmed', stored('a1', 'b1').slice(1), [], null, 50, []],
  ] as const)('%s', (_, all, inUse, current, keepReleases, expected) => {
    expect(kept(all, inUse, current, keepReleases)).toEqual(expected);
  });

  test('nothing for an activation that empties the target', () => {
    const emptied = { id: '-1', releaseDigest: null, confirmedAs: 9 };
    expect(kept([...stored('a1'), emptied], [], null, 1)).toEqual(['a1']);
  });

  test('more, never other ones, when more are kept', () => {
    const all = stored('a1 b1 c1 a2 d1 e1 c2 f1 a3');
    for (let keep = 1; keep < 8; keep += 1) {
      const more = selectKept(all, ['a3', 'f1'], 'a', keep + 1);
      for (const id of selectKept(all, ['a3', 'f1'], 'a', keep)) expect(more).toContain(id);
    }
  });
});
