import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { getTool } from '@sluice/infra';
import { parseNixComponent, sumPath, unpackClosure } from '@sluice/nix';
import { type NixBench, openNixBench, packageOf } from '@sluice/nix/testing';
import { createLogger } from '@sluice/observability';
import type { ActivityScope } from '../activity-scope.ts';
import type { StepRun } from '../step/step-type.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createBuildStep } from './build.step.ts';

let bench: NixBench;
let folder: string;
let evidence: EvidenceStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-build-'));
  evidence = createFolderStore(join(folder, 'evidence'));
  bench = await openNixBench((await getTool('nix')).path);
  await bench.writeFlake({
    dep: `sh "dep" "echo building-dep; echo hello > $out" {}`,
    app: `sh "app" ''
      echo to-stdout; mkdir -p $out/bin
      echo "cat $dep" > $out/bin/start; chmod +x $out/bin/start
    '' { inherit (packages) dep; }`,
    two: `sh "two" "echo one > $out; echo doc > $doc" { outputs = [ "doc" "out" ]; }`,
    fails: `sh "fails" "echo line-one; echo line-two; exit 7" {}`,
    thrown: 'throw "no such thing"',
    endless: `sh "endless" "echo started; while :; do sleep 1; done" {}`,
  });
}, 600_000);
afterAll(async () => {
  await bench?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the step as the frame does, without records. */
async function run(
  inputs: Readonly<Record<string, string>>,
  scope: Partial<ActivityScope> = {},
  nix: NixBench['nix'] | null = bench.nix,
  nixTrouble: () => Promise<string | undefined> = async () => undefined,
) {
  const lines: string[] = [];
  const step = createBuildStep({ evidence, nix: nix ?? undefined, nixTrouble });
  const outcome = await step.run({
    input: { stepId: 'build', promotion: { tenantId: 'acme', promotionId: 'dev/1' } },
    scope: createFakeScope(scope),
    log: createLogger({ service: 'test', level: 'silent' }),
    inputs: { component: 'hello', version: '1.4.0', ...inputs },
    idempotencyKey: 'dev/1/build',
    output: { write: (chunk: string) => void lines.push(chunk), hide: () => undefined },
  } as unknown as StepRun);
  return { ...outcome, text: lines.join('') };
}

const packageInputs = (name: string) => ({ flake: bench.flake, attribute: packageOf(name) });

test('a flake is built; its closure is the component, and can be run from the archive alone', async () => {
  const beats: unknown[] = [];
  const { result, text } = await run(packageInputs('app'), {
    heartbeat: (detail) => void beats.push(detail),
  });
  const { storePath, narHash, narSize, closure, component } = result.values as {
    storePath: string;
    narHash: string;
    narSize: number;
    closure: string;
    component: { name: string; kind: string; digest: string; version: string };
  };
  expect(result).toMatchObject({ outcome: 'succeeded', outputs: { narHash, closure } });
  expect(component).toMatchObject({ name: 'hello', kind: 'nix', version: '1.4.0' });
  const document = parseNixComponent(
    await evidence.getBytes(component.digest, { maxBytes: 16_384 }),
    component.digest,
  );
  expect(document).toMatchObject({ storePath, narHash, narSize, closure: { digest: closure } });
  expect(await sumPath(storePath)).toMatchObject({ hash: { digest: narHash }, size: narSize });
  const unpacked = await unpackClosure(await evidence.get(closure), {
    expected: { digest: closure, storePath, narHash },
    folder: join(folder, 'unpacked'),
  });
  expect(unpacked.members).toHaveLength(2);
  expect(unpacked.roots).toEqual([storePath]);
  expect(text).toMatch(/dep> building-dep\n[^]*app> to-stdout\n[^]*built .*-app/);
  expect(text).toMatch(/2 of 2 derivations built, 0 failed/);
  expect(text).toMatch(/^limits: none but those of the worker's own/);
  // Exported, it is kept by number and age; until then it was pending.
  const roots = join(bench.folder, 'nix', 'var', 'nix', 'gcroots', 'sluice');
  expect(await readdir(join(roots, 'pending'))).toEqual([]);
  expect(await readdir(join(roots, 'kept'))).toEqual([basename(storePath)]);
  expect(beats).toContainEqual(expect.objectContaining({ stage: 'build' }));
});

test('the same twice is the same component, and nothing is built again', async () => {
  const first = await run(packageInputs('app'));
  const second = await run(packageInputs('app'));
  expect(second.result).toEqual(first.result);
  expect(second.text).not.toContain('building ');
});

test('an expression is built, and of several outputs "out"', async () => {
  const { result } = await run({
    expression: `{ w = derivation { name = "w"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo hi > $out" ]; }; }`,
    attribute: 'w',
  });
  expect(await readFile((result.values as { storePath: string }).storePath, 'utf8')).toBe('hi\n');
  const two = await run(packageInputs('two'));
  expect(two.result.values).toMatchObject({ storePath: expect.stringMatching(/-two$/) });
});

test.each([
  ['fails', 'build-failed', /line-one \| line-two/],
  ['thrown', 'build-evaluation-failed', /no such thing/],
  ['nope', 'build-evaluation-failed', /does not provide attribute/],
])('%s ends as %s', async (name, code, message) => {
  const { result, text } = await run(packageInputs(name));
  expect(result).toMatchObject({
    outcome: 'failed',
    reason: { code, message: expect.stringMatching(message) },
  });
  if (code === 'build-failed') expect(text).toContain('fails> line-two');
});

test('limits are said in the log; where they cannot be had nothing is built, and the worker looks again', async () => {
  const limits = {
    ...{ memoryBytes: 1 << 30, cpus: 1, processes: 64, mechanism: 'cgroup-v2' },
    createGroup: () => Promise.reject(new Error('no groups are left')),
  };
  let looks = 0;
  const look = async (): Promise<undefined> => {
    looks += 1;
  };
  const { result, text } = await run(packageInputs('app'), {}, { ...bench.nix, limits }, look);
  expect(text).toMatch(/^limits: 1024 MiB of memory, 1 processors, 64 processes \(cgroup-v2\)\n/);
  expect(result).toMatchObject({ outcome: 'failed', reason: { code: 'nix-limits-missing' } });
  expect(looks).toBe(1);
});

test('where the look finds that Nix or its limits are lost the step has not ended: another worker may build', async () => {
  const gone = {
    ...bench.nix,
    executable: join(folder, 'gone'),
    storeExecutable: join(folder, 'gone-store'),
  };
  const lost = run(packageInputs('app'), {}, gone, async () => 'There is no "nix" on the PATH.');
  await expect(lost).rejects.toMatchObject({
    name: 'ApplicationFailure',
    type: 'Unavailable',
    nonRetryable: false,
    message: expect.stringMatching(/^Nothing was built: .*There is no "nix" on the PATH\./),
  });
  // What was to be built has failed: nobody looks.
  const failed = await run(packageInputs('thrown'), {}, bench.nix, async () => 'lost');
  expect(failed.result.reason).toMatchObject({ code: 'build-evaluation-failed' });
  // Cancelled, nobody waits for the look.
  const cancel = new AbortController();
  const looking = (): Promise<never> => {
    cancel.abort(new Error('cancelled'));
    return new Promise(() => undefined);
  };
  const cancelled = run(packageInputs('app'), { cancellation: cancel.signal }, gone, looking);
  await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
});

test('a worker without Nix says so', async () => {
  const { result } = await run(packageInputs('app'), {}, null);
  expect(result).toMatchObject({ outcome: 'failed', reason: { code: 'nix-unavailable' } });
  const gone = { ...bench.nix, executable: join(folder, 'gone') };
  const later = await run(packageInputs('app'), {}, gone);
  expect(later.result).toMatchObject({ reason: { code: 'nix-unavailable' } });
});

test('a cancelled build ends by itself and is no result', async () => {
  const cancel = new AbortController();
  const running = run(packageInputs('endless'), {
    cancellation: cancel.signal,
    heartbeat: (detail) => {
      if ((detail as { running?: number }).running === 1) cancel.abort(new Error('cancelled'));
    },
  });
  await expect(running).rejects.toMatchObject({ code: 'nix-cancelled' });
});

test('a build that runs out of the time of its attempt says so', async () => {
  const attemptDeadline = Date.now() + 5500;
  const { result } = await run(packageInputs('endless'), { attemptDeadline });
  expect(result).toMatchObject({ outcome: 'failed', reason: { code: 'nix-timeout' } });
});

test('an evidence store that takes nothing fails the attempt, and nothing hangs', async () => {
  const full: EvidenceStore = {
    ...evidence,
    put: async () => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    },
  };
  const step = createBuildStep({ evidence: full, nix: bench.nix });
  const attempt = step.run({
    input: { stepId: 'build', promotion: { tenantId: 'acme', promotionId: 'dev/1' } },
    scope: createFakeScope(),
    log: createLogger({ service: 'test', level: 'silent' }),
    inputs: { component: 'hello', version: '1', ...packageInputs('app') },
    idempotencyKey: 'dev/1/build',
    output: { write: () => undefined, hide: () => undefined },
  } as unknown as StepRun);
  await expect(attempt).rejects.toMatchObject({ code: 'ENOSPC' });
});
