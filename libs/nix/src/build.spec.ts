import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { type BuildResult, build } from './build.ts';
import { evaluate } from './evaluate.ts';
import type { BuildProgress, NixLogEntry } from './log/nix-log-entry.ts';
import { sumPath } from './nar/nar-digest.ts';
import { type NixBench, openNixBench, packageOf } from './testing/nix-bench.ts';

let bench: NixBench;

beforeAll(async () => {
  bench = await openNixBench((await getTool('nix')).path);
  await bench.writeFlake({
    dep: `sh "dep" "echo building-dep; echo hello > $out" {}`,
    app: `sh "app" ''
      echo to-stdout; echo to-stderr >&2
      mkdir -p $out/bin; echo "cat $dep" > $out/bin/start; chmod +x $out/bin/start
    '' { inherit (packages) dep; }`,
    default: `sh "default" "echo default > $out" {}`,
    two: `sh "two" "echo one > $out; echo doc > $doc" { outputs = [ "out" "doc" ]; }`,
    fails: `sh "fails" "echo line-one; echo line-two; exit 7" {}`,
    above: `sh "above" "echo $below > $out" { below = packages.fails; }`,
    endless: `sh "endless" ''
      echo started
      trap "" TERM
      setsid sh -c 'trap "" TERM; while :; do sleep 1; done' sluice-stray-${process.pid} &
      (cd / && env -i setsid sleep 86399.${process.pid}) &
      while :; do sleep 1; done
    '' {}`,
    chatty: `sh "chatty" ''
      yes "$(head -c 500 /dev/zero | tr '\\0' x)" | head -n 8000
      head -c 3000000 /dev/zero | tr '\\0' y; printf '\\377\\376 binary\\n'; echo done > $out
    '' {}`,
    leaves: `sh "leaves" "setsid sleep 86398.${process.pid} >/dev/null 2>&1 & echo ok > $out" {}`,
    thrown: 'throw "no such thing"',
    number: '42',
    endlessEvaluation: 'let f = n: f (n + 1); in f 0',
    hungry:
      "builtins.length (builtins.foldl' (list: _: list ++ list) [ 1 ] (builtins.genList (n: n) 28))",
  });
}, 600_000);

afterAll(() => bench.close());

function source(name: string) {
  return { flake: bench.flake, attribute: packageOf(name) };
}

/** What a build that will not end leaves behind when it is not ended. */
const stray = new RegExp(
  `^(?:sh -c trap .*sluice-stray-${process.pid}|sleep 86399.${process.pid})`,
);

/** Command lines of processes that a test would have to answer for. */
async function listCommands(pattern: RegExp): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.map((line) => line.replaceAll('\0', ' ')).filter((line) => pattern.test(line));
}

test('an evaluation says what would be built and builds nothing', async () => {
  const evaluation = await evaluate(bench.nix, source('two'));
  expect(evaluation).toMatchObject({
    name: 'two',
    drvPath: expect.stringMatching(/\/nix\/store\/[0-9a-z]{32}-two\.drv$/),
    outputs: {
      out: expect.stringMatching(/-two$/),
      doc: expect.stringMatching(/-two-doc$/),
    },
  });
  const store = await readdir(`${bench.folder}/nix/store`);
  expect(store.filter((name) => name.endsWith('-two'))).toEqual([]);
});

test('the same twice gives the same path and the hash of what lies there', async () => {
  const entries: NixLogEntry[] = [];
  const beats: BuildProgress[] = [];
  const first = await build(bench.nix, source('app'), {
    onLog: (entry) => void entries.push(entry),
    heartbeat: (progress) => beats.push(progress),
  });
  const [output] = first.outputs;
  expect(first.outputs).toHaveLength(1);
  expect(output).toMatchObject({
    storePath: first.evaluation?.outputs['out'],
    deriver: first.drvPath,
    references: [expect.stringMatching(/-dep$/)],
  });
  const sum = await sumPath(output?.storePath as string);
  expect(sum).toEqual({
    hash: { sri: output?.narHashSri, digest: output?.narHash },
    size: output?.narSize,
  });
  expect(first.progress).toEqual({ built: 2, total: 2, running: 0, failed: 0 });
  expect(beats.length).toBeGreaterThanOrEqual(2);
  expect(textsOf(entries, first.drvPath)).toEqual(['to-stdout', 'to-stderr']);
  expect(entries).toContainEqual({ kind: 'building', derivation: first.drvPath });

  const again: NixLogEntry[] = [];
  const second = await build(bench.nix, source('app'), {
    onLog: (entry) => void again.push(entry),
  });
  expect(second.outputs).toEqual(first.outputs);
  expect(again.filter((entry) => entry.kind === 'building')).toEqual([]);
});

function textsOf(entries: readonly NixLogEntry[], derivation: string): readonly string[] {
  return entries.flatMap((entry) =>
    entry.kind === 'log' && entry.derivation === derivation ? [entry.text] : [],
  );
}

test('a flake without an attribute, all outputs, one output, a derivation and an expression are built', async () => {
  const paths = (result: BuildResult) => result.outputs.map(({ storePath }) => storePath);
  expect(paths(await build(bench.nix, { flake: bench.flake }))).toEqual([
    expect.stringMatching(/-default$/),
  ]);
  const { drvPath } = await evaluate(bench.nix, source('two'));
  expect(paths(await build(bench.nix, { drvPath, output: 'doc' }))).toEqual([
    expect.stringMatching(/-two-doc$/),
  ]);
  expect(paths(await build(bench.nix, { drvPath }))).toHaveLength(2);
  const { system } = await evaluate(bench.nix, { flake: bench.flake });
  const expression = `{ w = derivation { name = "w"; system = "${system}"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }; }`;
  expect(paths(await build(bench.nix, { expression, attribute: 'w' }))).toEqual([
    expect.stringMatching(/-w$/),
  ]);
});

test.each(['fails', 'above'])(
  'a failing builder of %s is named with its last lines',
  async (name) => {
    const error = await build(bench.nix, source(name)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      name: 'NixError',
      code: 'build-failed',
      detail: {
        derivation: expect.stringMatching(/-fails\.drv$/),
        lastLines: ['line-one', 'line-two'],
      },
    });
  },
);

test.each([
  ['what throws', 'thrown', /no such thing/],
  ['what is not there', 'nope', /does not provide attribute/],
  ['what is no derivation', 'number', /no derivation/],
  [
    'what calls itself for ever',
    'endlessEvaluation',
    /stack overflow|infinite recursion|max-call-depth/,
  ],
])('%s is an evaluation that failed', async (_, name, message) => {
  await expect(evaluate(bench.nix, source(name))).rejects.toMatchObject({
    code: 'build-evaluation-failed',
    message: expect.stringMatching(message),
  });
});

test('a flake whose inputs are not locked is refused: one could be a folder of this machine', async () => {
  const at = (name: string) => `${bench.folder}/${name}`;
  await mkdir(at('keys'));
  await writeFile(at('keys/key'), 'hidden');
  await mkdir(at('unlocked'));
  await writeFile(
    at('unlocked/flake.nix'),
    `{ inputs.keys = { url = "path:${at('keys')}"; flake = false; };
       outputs = { self, keys }: { x = throw (builtins.readFile "\${keys}/key"); }; }`,
  );
  const error = await evaluate(bench.nix, {
    flake: `path:${at('unlocked')}`,
    attribute: 'x',
  }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: 'build-evaluation-failed',
    message: expect.stringMatching(/lock file/),
  });
  expect(JSON.stringify(error)).not.toContain('hidden');
  expect(await readdir(at('unlocked'))).toEqual(['flake.nix']);
});

test('an evaluation that failed has its position', async () => {
  const expression = '{\n  a = 1 + "x";\n}';
  await expect(evaluate(bench.nix, { expression, attribute: 'a' })).rejects.toMatchObject({
    code: 'build-evaluation-failed',
    detail: { position: { line: 2, column: expect.any(Number), file: expect.any(String) } },
  });
});

test('an evaluation that eats memory ends at its bound', async () => {
  await expect(
    evaluate(bench.nix, source('hungry'), { maxHeapBytes: 64 * 1024 * 1024 }),
  ).rejects.toMatchObject({
    code: 'build-evaluation-failed',
    message: expect.stringMatching(/memory/i),
  });
});

test.each([
  ['a file outside of its folder', 'builtins.readFile "/etc/passwd"'],
  ['an address', 'builtins.fetchurl "http://127.0.0.1:1/x"'],
  [
    'what has to be built first',
    'import (derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo 1 > $out" ]; })',
  ],
])('an expression does not get %s', async (_, expression) => {
  await expect(evaluate(bench.nix, { expression })).rejects.toMatchObject({
    code: 'build-evaluation-failed',
    message: expect.stringMatching(/forbidden|disabled/),
  });
});

test.each([
  { flake: '--help' },
  { flake: 'path:.#other' },
  { flake: 'path:.', attribute: 'a b' },
  { flake: 'path:.', attribute: '--option' },
  { flake: 'path:.', folder: 'relative' },
  { drvPath: '/etc/passwd' },
  { drvPath: '--version' },
])('%j is refused before Nix is asked', async (subject) => {
  await expect(build(bench.nix, subject)).rejects.toMatchObject({
    code: expect.stringMatching(/^(?:nix-input-invalid|store-path-invalid)$/),
  });
});

test('a cancelled build leaves no process, whatever it ignores or starts', async () => {
  const cancel = new AbortController();
  let seen: readonly string[] = [];
  const running = build(bench.nix, source('endless'), {
    signal: cancel.signal,
    heartbeat: () => {
      void listCommands(stray).then((found) => {
        // It may be ended before the next look.
        if (found.length > seen.length) seen = found;
        if (found.length >= 2) cancel.abort();
      });
    },
    heartbeatMs: 200,
  });
  await expect(running).rejects.toMatchObject({ code: 'nix-cancelled' });
  expect(seen.length).toBeGreaterThanOrEqual(2);
  expect(await listCommands(stray)).toEqual([]);
  expect(await listCommands(new RegExp(bench.folder))).toEqual([]);
});

test('a build that runs out of time leaves no process', async () => {
  await expect(
    build(bench.nix, source('endless'), { limits: { timeoutMs: 300 } }),
  ).rejects.toMatchObject({ code: 'nix-timeout' });
  expect(await listCommands(stray)).toEqual([]);
});

test('a builder that leaves a process behind has built, and the process is ended', async () => {
  const result = await build(bench.nix, source('leaves'));
  expect(result.outputs).toHaveLength(1);
  expect(await listCommands(new RegExp(`^sleep 86398.${process.pid}`))).toEqual([]);
});

test('a log of megabytes is bounded and the build goes on', async () => {
  const entries: NixLogEntry[] = [];
  const result = await build(bench.nix, source('chatty'), {
    onLog: (entry) => void entries.push(entry),
    limits: { maxLogBytes: 100_000 },
  });
  expect(result.outputs).toHaveLength(1);
  expect(result.droppedLines).toBeGreaterThan(7000);
  const bytes = entries.reduce((sum, entry) => sum + ('text' in entry ? entry.text.length : 0), 0);
  expect(bytes).toBeLessThan(110_000);
  expect(entries.filter((entry) => entry.kind === 'bounded')).toHaveLength(1);
});

test('a build that is cancelled before it starts, or whose log is not taken, is ended', async () => {
  await expect(
    build(bench.nix, source('app'), { signal: AbortSignal.abort() }),
  ).rejects.toMatchObject({ code: 'nix-cancelled' });
  const onLog = () => Promise.reject(new Error('the log store is full'));
  await expect(build(bench.nix, source('fails'), { onLog })).rejects.toThrow(/log store is full/);
});
