import { expect, test } from '@jest/globals';
import { type BreakSearch, findBreakingBuild, type KeptBuild } from './bisect.ts';

const digest = (at: number) => `sha256:${String(at).padStart(64, '0')}`;
const build = (at: number): KeptBuild => ({
  buildId: `build-${at}`,
  bundleDigest: digest(at),
  firstSeenAt: new Date(Date.UTC(2026, 0, 1 + at)).toISOString(),
});
const named = (at: number) => ({ buildId: `build-${at}`, bundleDigest: digest(at) });
const kept = [...Array(40).keys()].map(build);
const recordedBy = { buildIds: ['build-3'], bundleDigests: [digest(3)] };

/** Searches where everything before `broken` fits, but for builds that cannot be tried. */
async function search(broken: number, changes: Partial<BreakSearch> = {}, untold: number[] = []) {
  const tried: number[] = [];
  const found = await findBreakingBuild({
    kept,
    recordedBy,
    given: { buildId: 'given', bundleDigest: digest(99) },
    fits: ({ buildId }) => {
      const at = Number(buildId.slice('build-'.length));
      tried.push(at);
      return Promise.resolve(untold.includes(at) ? undefined : at < broken);
    },
    ...changes,
  });
  return { found, tried };
}

test.each([4, 5, 17, 38, 39])('build %i is named, in as few tries as halving takes', async (at) => {
  const { found, tried } = await search(at);
  expect(found).toEqual(named(at));
  expect(tried.length).toBeLessThanOrEqual(7);
  expect(new Set(tried).size).toBe(tried.length);
});

test('where every kept build fits, the given one brought it', async () => {
  const { found } = await search(40);
  expect(found).toEqual({ buildId: 'given', bundleDigest: digest(99) });
});

test('builds that came after the given one are not looked at', async () => {
  const { found, tried } = await search(10, { given: named(12) });
  expect(found).toEqual(named(10));
  expect(Math.max(...tried)).toBeLessThan(12);
  const elsewhere = { buildId: 'build-12', bundleDigest: digest(77) };
  expect((await search(10, { given: elsewhere })).tried).toEqual(tried);
});

test('the newest of several recording builds is the good one', async () => {
  const both = { buildIds: ['build-3', 'build-20'], bundleDigests: [] };
  const { found, tried } = await search(25, { recordedBy: both });
  expect(found).toEqual(named(25));
  expect(Math.min(...tried)).toBe(20);
});

test('a recording build that was not kept: the oldest kept one must fit', async () => {
  const lost = { buildIds: ['gone'], bundleDigests: [] };
  expect((await search(9, { recordedBy: lost })).found).toEqual(named(9));
  expect((await search(0, { recordedBy: lost })).found).toBe('unknown');
  expect((await search(9, { recordedBy: lost }, [0])).found).toBe('unknown');
});

test('it is unknown where nothing can be proven', async () => {
  expect((await search(9, { kept: [] })).found).toBe('unknown');
  // The recording build itself is given, or does not fit its own history, or is newer than the given one.
  expect((await search(9, { given: named(3) })).found).toBe('unknown');
  expect((await search(2)).found).toBe('unknown');
  expect((await search(0, { given: named(2) })).found).toBe('unknown');
});

test('builds that cannot be tried are passed over, unless the break is among them', async () => {
  expect((await search(17, {}, [3, 15, 19, 20, 21])).found).toEqual(named(17));
  expect((await search(17, {}, [16])).found).toBe('unknown');
  expect((await search(17, {}, [17])).found).toBe('unknown');
  const all = [...kept.keys()].slice(4);
  expect((await search(17, {}, all)).found).toBe('unknown');
});
