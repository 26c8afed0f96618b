import { access, lutimes, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { build } from '../build.ts';
import { isNixError } from '../nix-error.ts';
import { type NixBench, openNixBench, packageOf } from '../testing/nix-bench.ts';
import { BuildRoots } from './build-roots.ts';
import { type CollectOptions, createStoreKeeper, type StoreKeeper } from './store-keeper.ts';

let bench: NixBench;
let keeper: StoreKeeper;

const EVERYTHING: CollectOptions = {
  builds: 0,
  milliseconds: 0,
  everyMs: 0,
  timeoutMs: 60_000,
};

beforeAll(async () => {
  bench = await openNixBench((await getTool('nix')).path);
  await bench.writeFlake({
    dep: `sh "dep" "echo dep > $out" {}`,
    one: `sh "one" "cat $dep; echo one > $out" { inherit (packages) dep; }`,
    two: `sh "two" "echo two > $out; echo doc > $doc" { outputs = [ "doc" "out" ]; }`,
  });
  keeper = createStoreKeeper(bench.nix);
}, 600_000);
afterAll(() => bench?.close());

async function buildKept(name: string, isExported: boolean): Promise<string> {
  return keeper.use(`dev/1/${name}`, async ({ root, exported }) => {
    const source = { flake: bench.flake, attribute: packageOf(name) };
    const { outputs } = await build(bench.nix, source, { root });
    const path = outputs.find(({ storePath }) => storePath.endsWith(`-${name}`))?.storePath ?? '';
    if (isExported) await exported(path);
    return path;
  });
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

test('what was built is kept until it was exported, then by number, with what it was made of', async () => {
  const two = await buildKept('two', false);
  const one = await buildKept('one', true);
  const stale = await build(bench.nix, {
    expression: `derivation { name = "loose"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo loose > $out" ]; }`,
  });
  const loose = stale.outputs[0]?.storePath ?? '';

  // Neither while somebody builds, nor before its time.
  await keeper.use('dev/1/other', async () => {
    expect(await keeper.collect(EVERYTHING)).toEqual({ outcome: 'busy' });
  });
  expect(await isThere(loose)).toBe(true);
  expect(await keeper.collect({ ...EVERYTHING, everyMs: 1000 })).toEqual({ outcome: 'not-due' });

  const kept = { ...EVERYTHING, builds: 1, milliseconds: 60_000 };
  expect(await keeper.collect(kept)).toMatchObject({ outcome: 'collected', droppedRoots: 0 });
  expect(await isThere(loose)).toBe(false);
  expect([await isThere(one), await isThere(two)]).toEqual([true, true]);
  const made = (await readdir(join(bench.folder, 'nix', 'store'))).map((name) => name.slice(33));
  expect(made).toEqual(expect.arrayContaining(['dep', 'dep.drv', 'one.drv', 'two-doc']));
  expect(await keeper.collect({ ...kept, everyMs: 60_000 })).toEqual({ outcome: 'not-due' });

  expect(await keeper.collect(EVERYTHING)).toMatchObject({
    droppedRoots: 1,
    freed: expect.any(String),
  });
  expect([await isThere(one), await isThere(two)]).toEqual([false, true]);

  // Its next attempt finds it, and exports it.
  expect(await buildKept('two', true)).toBe(two);
  await keeper.collect(EVERYTHING);
  expect(await isThere(two)).toBe(false);
}, 120_000);

test('a collection gives way to a build, or to its end, and goes on later', async () => {
  const ended = keeper.collect({ ...EVERYTHING, signal: AbortSignal.abort() });
  expect(await ended).toEqual({ outcome: 'interrupted' });
  expect(await keeper.collect({ ...EVERYTHING, everyMs: 1000 })).toEqual({ outcome: 'not-due' });
});

test("the machine's store is never collected; a root holds what is built there meanwhile", async () => {
  const guest = createStoreKeeper({ ...bench.nix, store: { kind: 'system' } });
  expect(await guest.collect(EVERYTHING)).toEqual({ outcome: 'not-due' });
  const root = await guest.use('dev/1/build', async (use) => {
    await writeFile(use.root, '');
    return use.root;
  });
  expect(await isThere(root)).toBe(false);
});

test('roots are kept by number and age; those of builds that nobody came back to are given up', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-roots-'));
  try {
    const roots = new BuildRoots(folder);
    const day = 24 * 60 * 60 * 1000;
    const now = Date.now();
    for (const [days, name] of ['a', 'b', 'c', 'd'].entries()) {
      await roots.keep(name, `/nix/store/0-${name}`);
      const at = new Date(now - days * day);
      await lutimes(join(folder, 'sluice', 'kept', `0-${name}`), at, at);
    }
    expect(await roots.drop({ builds: 3, milliseconds: 10 * day }, now)).toBe(1);
    expect(await roots.drop({ builds: 3, milliseconds: 1.5 * day }, now)).toBe(1);
    expect(await readdir(join(folder, 'sluice', 'kept'))).toEqual(['0-a', '0-b']);
    await roots.keep('again', '/nix/store/0-b');
    expect(await readlink(join(folder, 'sluice', 'kept', '0-b'))).toBe('/nix/store/0-b');
    expect(await roots.drop({ builds: 2, milliseconds: 0.5 * day }, now)).toBe(0);
    expect(roots.rootOf('acme/dev/1/build')).not.toBe(roots.rootOf('other/dev/1/build'));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a store that cannot be collected says why', async () => {
  const broken = { ...bench.nix, storeExecutable: '/bin/false' };
  const error = await createStoreKeeper(broken)
    .collect(EVERYTHING)
    .catch((thrown: unknown) => thrown);
  expect(isNixError(error) && error.code).toBe('nix-failed');
});
