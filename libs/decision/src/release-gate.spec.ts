import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { loadPolicy } from '@open-policy-agent/opa-wasm';
import { canonicalJson } from '@sluice/pure';
import { createDecisionEngine, type DecisionEngine } from './decision-engine.ts';
import { builtInPolicyDir } from './policy-bundle.ts';
import { readVerdict } from './verdict.ts';

interface Case {
  readonly description: string;
  readonly input: object;
  readonly expected: { readonly decision: string; readonly reasonCodes: string[] };
}

const policyDir = builtInPolicyDir('release-gate');
const corpus = readdirSync(join(policyDir, 'corpus'))
  .sort()
  .map((name): [string, Case] => {
    return [name, JSON.parse(readFileSync(join(policyDir, 'corpus', name), 'utf8')) as Case];
  });
let engine: DecisionEngine;
let opa: string;

beforeAll(async () => {
  engine = await createDecisionEngine({ policyDir });
  opa = process.env['SLUICE_OPA'] || (await lockedOpa());
  // Built from source the first time.
}, 600_000);

/** The real one, in the locked version: other versions may compile to other bytes. */
async function lockedOpa(): Promise<string> {
  const { getTool } = await import('@sluice/infra');
  return (await getTool('opa')).path;
}

afterAll(() => engine.close());

function runOpa(argv: readonly string[], input = ''): string {
  const run = spawnSync(opa, argv, { cwd: policyDir, input, encoding: 'utf8', timeout: 60_000 });
  if (run.error !== undefined) {
    throw new Error(`${opa} cannot be run; put opa on PATH or name it in SLUICE_OPA.`, {
      cause: run.error,
    });
  }
  if (run.status !== 0) throw new Error(`opa ${argv[0]}: ${run.stderr}${run.stdout}`);
  return run.stdout;
}

test.each(corpus)('%s: WASM, opa and the engine agree', async (_, { input, expected }) => {
  const wanted = canonicalJson(expected);
  const { decision, reasonCodes, trace } = await engine.evaluate({ input });
  expect(canonicalJson({ decision, reasonCodes, trace })).toBe(wanted);

  const wasm = await loadPolicy(readFileSync(join(policyDir, 'policy.wasm')));
  const direct = wasm.evaluate(input, 'sluice/release_gate/verdict');
  expect(canonicalJson(readVerdict(direct))).toBe(wanted);

  const query = 'data.sluice.release_gate.verdict';
  const argv = ['eval', '--format', 'json', '--stdin-input', '--data', 'release_gate.rego', query];
  const answer = JSON.parse(runOpa(argv, JSON.stringify(input))) as {
    result: { expressions: { value: unknown }[] }[];
  };
  const value = answer.result[0]?.expressions[0]?.value;
  expect(canonicalJson(readVerdict([{ result: value }]))).toBe(wanted);
});

test('the corpus has each outcome and each reason code', () => {
  const codes = new Set(corpus.flatMap(([, { expected }]) => expected.reasonCodes));
  expect(new Set(corpus.map(([, { expected }]) => expected.decision))).toEqual(
    new Set(['allow', 'deny']),
  );
  for (const name of ['environment', 'evaluatedAt', 'findings', 'release', 'sbom']) {
    expect(codes).toContain(`input-missing:${name}`);
  }
  expect(codes).toContain('secret-found');
  expect(codes).toContain('misconfiguration-found');
});

test('every source in the trace names the line on which its rule begins', () => {
  const lines = readFileSync(join(policyDir, 'release_gate.rego'), 'utf8').split('\n');
  let current = 0;
  let seen = 0;
  lines.forEach((line, index) => {
    if (line.startsWith('trace contains {')) current = index + 1;
    const source = /"source": "([^"]+)"/.exec(line)?.[1];
    if (source === undefined) return;
    expect(source).toBe(`release_gate.rego:${current}`);
    seen += 1;
  });
  expect(seen).toBeGreaterThan(4);
});

test('the compiled form and the manifest are what the sources give today', () => {
  const script = join(policyDir, '..', 'compile.mjs');
  const argv = [script, '--check', '--opa', opa, 'release-gate'];
  const run = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 120_000 });
  expect(run.stderr).toContain('release-gate: sha256:');
  expect(run.status).toBe(0);
});

test('the Rego is formatted, strict, within the capabilities, and passes its own tests', () => {
  expect(runOpa(['fmt', '--list', '.'])).toBe('');
  runOpa(['check', '--strict', '--capabilities', 'capabilities.json', 'release_gate.rego']);
  const report = runOpa(['test', 'release_gate.rego', 'release_gate_test.rego']);
  expect(report).toMatch(/PASS: (\d+)\/\1/);
});

test('the capabilities allow nothing that depends on more than the input', () => {
  const { builtins } = JSON.parse(readFileSync(join(policyDir, 'capabilities.json'), 'utf8')) as {
    builtins: { name: string }[];
  };
  const impure = /^(?:http|net|rand|time|uuid|opa|io|crypto|rego|providers|trace|print)\b/;
  expect(builtins.map(({ name }) => name).filter((name) => impure.test(name))).toEqual([]);
});
