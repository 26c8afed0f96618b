import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { build } from './build.ts';
import { probeNixSandbox } from './probe-nix-sandbox.ts';
import { HOST_PROGRAMS, type NixBench, openNixBench, packageOf } from './testing/nix-bench.ts';

let bench: NixBench;

beforeAll(async () => {
  bench = await openNixBench((await getTool('nix')).path);
}, 600_000);
afterAll(() => bench.close());

test('a sandbox that works is found, each time by a real build, and hides the machine', async () => {
  const { nix } = bench;
  expect(await probeNixSandbox(nix)).toEqual({ works: true });
  expect(await probeNixSandbox(nix)).toEqual({ works: true });
  const left = await readdir(`${bench.folder}/nix/store`);
  expect(left.filter((name) => /probe(?:\.drv)?$/.test(name))).toEqual([]);
  const secret = join(bench.folder, 'secret');
  await writeFile(secret, 'hidden\n');
  const script = `ls ${secret} /root /home; (echo x > /dev/tcp/127.0.0.1/22); cat /proc/self/uid_map; wc -l /proc/net/dev`;
  await bench.writeFlake({
    looks: `sh "looks" "{ ${script}; } > $out 2>&1; true" {}`,
    asks: `sh "asks" "cat ${secret} > $out" { __noChroot = true; }`,
  });
  await expect(
    build(nix, { flake: bench.flake, attribute: packageOf('asks') }),
  ).rejects.toMatchObject({ code: 'build-failed' });
  const { outputs } = await build(nix, { flake: bench.flake, attribute: packageOf('looks') });
  const text = await readFile(outputs[0]?.storePath as string, 'utf8');
  expect(text.match(/No such file or directory/g)).toHaveLength(3);
  // Two lines of head, and the loopback of its own.
  expect(text).toContain('3 /proc/net/dev');
  await rm(secret);
});

test("a machine's store is not made for a probe", async () => {
  const before = existsSync('/nix/store');
  const nix = await bench.nixWith({ store: { kind: 'system' } });
  await probeNixSandbox(nix);
  expect(existsSync('/nix/store')).toBe(before);
  expect(await readdir(nix.scratch)).toEqual([]);
});

test('without the sandbox a build is seen to look at the machine', async () => {
  const nix = await bench.nixWith({ settings: { sandbox: 'false' } });
  expect(await probeNixSandbox(nix)).toEqual({
    works: false,
    missing: expect.stringContaining('builds without a sandbox'),
    remedy: expect.stringContaining('sandbox-fallback = false'),
  });
});

test('a sandbox that cannot be made is said with its remedy, and nothing is built without it', async () => {
  const settings = { ...HOST_PROGRAMS, 'sandbox-paths': '/nowhere/that/is' };
  const nix = await bench.nixWith({ settings });
  expect(await probeNixSandbox(nix)).toEqual({
    works: false,
    missing: expect.stringMatching(/does not work here: .*\/nowhere\/that\/is/),
    remedy: expect.stringContaining('user namespaces'),
  });
});
