import { availableParallelism, totalmem } from 'node:os';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { build, type Nix } from '@sluice/nix';
import { type NixBench, openNixBench } from '@sluice/nix/testing';
import type { LimitGroups } from '@sluice/sandbox';
import { findNixLimits } from './nix-limits.ts';

const NOTHING_SET = { nixMemoryMiB: null, nixCpus: null, nixProcesses: null, buildsAtOnce: 2 };
const OWN: Pick<Nix, 'store'> = { store: { kind: 'own', folder: '/srv/nix' } };
const MIB = 1024 * 1024;

test('all builds that may run at a time leave something of the machine', async () => {
  const { limits, demanded } = await findNixLimits(NOTHING_SET, OWN, async () => groups());
  const { memoryBytes = 0, cpus = 0 } = limits ?? {};
  expect(demanded).toEqual([]);
  expect(memoryBytes * 2).toBeLessThanOrEqual(Math.max(totalmem() * 0.75, 512 * MIB));
  expect(cpus).toBe(Math.max(1, availableParallelism() / 2));
});

test('what settings name is what groups are made with', async () => {
  const made: unknown[] = [];
  const set = { nixMemoryMiB: 512, nixCpus: 1.5, nixProcesses: 64, buildsAtOnce: 1 };
  const { limits, demanded } = await findNixLimits(set, OWN, async () => groups(made));
  await limits?.createGroup();
  expect(made).toEqual([{ memoryBytes: 512 * MIB, cpus: 1.5, processes: 64 }]);
  expect(demanded).toHaveLength(3);
});

test('where nothing keeps them, that is said, with what demands them', async () => {
  const gap = { code: 'cgroup-missing', message: 'There is none.', how: 'Mount it.', stops: false };
  const none = async (): Promise<LimitGroups> =>
    ({ mechanism: null, missing: [gap] }) as LimitGroups;
  expect(await findNixLimits({ ...NOTHING_SET, nixCpus: 1 }, OWN, none)).toEqual({
    limits: undefined,
    missing: 'There is none. Mount it.',
    demanded: ['SLUICE_NIX_CPUS'],
  });
});

let bench: NixBench;
beforeAll(async () => {
  bench = await openNixBench((await getTool('nix')).path);
}, 600_000);
afterAll(() => bench?.close());

test.each([
  ['memory', 'perl -e \'my $all = "x" x (400 << 20); print length $all\'', 'build-memory-exceeded'],
  ['processes', 'for n in $(seq 100); do sleep 20 & done; wait', 'build-processes-exceeded'],
])(
  'a builder that wants too much %s is ended, and the machine is not used up',
  async (_of, script, code) => {
    const set = { nixMemoryMiB: 256, nixCpus: 1, nixProcesses: 48, buildsAtOnce: 1 };
    const found = await findNixLimits(set, bench.nix);
    if (found.limits === undefined) {
      // A machine without cgroups of this user: then the demand is refused at the worker's start.
      expect(found).toMatchObject({ missing: expect.stringMatching(/cgroup/) });
      return;
    }
    const expression = `derivation { name = "greedy"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ${JSON.stringify(`PATH=/usr/bin:/bin; ${script}; exit 3`)} ]; }`;
    const greedy = build({ ...bench.nix, limits: found.limits }, { expression });
    await expect(greedy).rejects.toMatchObject({ name: 'NixError', code });
  },
  60_000,
);

function groups(made: unknown[] = []): LimitGroups {
  return {
    mechanism: 'cgroup-v2',
    missing: [],
    createGroup: async (limits) => {
      made.push(limits);
      return {
        add: async () => undefined,
        count: async () => ({
          cpuSeconds: 0,
          memoryBytes: 0,
          peakMemoryBytes: 0,
          memoryRefusals: 0,
          processRefusals: 0,
        }),
        remove: async () => undefined,
      };
    },
  };
}
