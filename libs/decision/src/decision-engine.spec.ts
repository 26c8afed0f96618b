import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { canonicalJson, determinismHash, digestOf } from '@sluice/pure';
import { createDecisionEngine, type DecisionEngine, UNKNOWN_INSTANT } from './decision-engine.ts';
import { builtInPolicyDir, loadPolicyBundle } from './policy-bundle.ts';

const policyDir = builtInPolicyDir('release-gate');
const clean = inputOf('clean');
let engine: DecisionEngine;
const copies: string[] = [];

beforeAll(async () => {
  engine = await createDecisionEngine({ policyDir, poolSize: 2 });
});

afterAll(async () => {
  await engine.close();
  for (const dir of copies) rmSync(dir, { recursive: true, force: true });
});

test('a clean release is allowed, with the digests and the hash of the contract', async () => {
  const decision = await engine.evaluate({ input: clean });
  const { policyDigest } = await loadPolicyBundle(policyDir);
  expect(decision).toMatchObject({
    decision: 'allow',
    reasonCodes: [],
    policyDigest,
    inputDigest: digestOf(clean),
    evaluatedAt: clean['evaluatedAt'],
  });
  expect(decision.determinismHash).toBe(determinismHash(decision));
  expect(engine.policyDigest).toBe(policyDigest);
});

test('the same input gives the same bytes over 1,000 runs, keys in any order', async () => {
  const input = inputOf('secret-and-misconfiguration');
  const expected = canonicalJson(await engine.evaluate({ input }));
  let seed = 20261121;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  for (let batch = 0; batch < 20; batch += 1) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        engine.evaluate({ input: shuffled(input, random) as object }),
      ),
    );
    for (const answer of answers) expect(canonicalJson(answer)).toBe(expected);
  }
});

test('two engines and a fresh pool agree to the byte', async () => {
  const other = await createDecisionEngine({ policyDir, poolSize: 1 });
  const input = inputOf('secrets-many');
  const [a, b] = [await engine.evaluate({ input }), await other.evaluate({ input })];
  expect(canonicalJson(a)).toBe(canonicalJson(b));
  await other.close();
});

test('a missing input is denied by name, before the policy is asked', async () => {
  const { evaluatedAt: _, ...input } = clean;
  expect(await engine.evaluate({ input })).toMatchObject({
    decision: 'deny',
    reasonCodes: ['input-missing:evaluatedAt'],
    evaluatedAt: UNKNOWN_INSTANT,
    trace: [{ rule: 'required-input', result: 'deny' }],
  });
  const noTime = await engine.evaluate({ input: { ...clean, evaluatedAt: 'yesterday' } });
  expect(noTime.reasonCodes).toEqual(['input-missing:evaluatedAt']);
});

test('another policy than the one that is here is an error, not a decision', async () => {
  const policyDigest = `sha256:${'0'.repeat(64)}`;
  await expect(engine.evaluate({ input: clean, policyDigest })).rejects.toMatchObject({
    code: 'policy-missing',
  });
});

test.each([
  ['a list', []],
  ['a lone surrogate', { a: '\ud800' }],
  ['not a number', { a: Number.NaN }],
])('%s is no input', async (_, input) => {
  await expect(engine.evaluate({ input })).rejects.toMatchObject({
    code: 'decision-input-invalid',
  });
});

test('an evaluation past its deadline fails, its thread is replaced, and the next one is answered', async () => {
  const secrets = Array.from({ length: 60_000 }, (_, i) => ({ rule: `r${i}`, path: `/${i}` }));
  const input = { ...clean, findings: { secrets, misconfigurations: [] } };
  const single = await createDecisionEngine({ policyDir, poolSize: 1 });
  await single.evaluate({ input: clean });
  await expect(single.evaluate({ input, deadlineMs: 5 })).rejects.toMatchObject({
    code: 'decision-deadline',
  });
  expect((await single.evaluate({ input: clean })).decision).toBe('allow');
  await single.close();
});

test('a closed engine answers nothing', async () => {
  const closing = await createDecisionEngine({ policyDir });
  const asked = expect(closing.evaluate({ input: clean })).rejects.toMatchObject({
    code: 'decision-engine-closed',
  });
  await closing.close();
  await asked;
  await expect(closing.evaluate({ input: clean })).rejects.toMatchObject({
    code: 'decision-engine-closed',
  });
});

test.each(['release_gate.rego', 'policy.wasm', 'capabilities.json', 'manifest.json'])(
  'one changed byte in %s and nothing is decided',
  async (name) => {
    const dir = copyOfPolicy();
    const bytes = readFileSync(join(dir, name));
    const at = name === 'manifest.json' ? bytes.indexOf('"version": 2') + 11 : bytes.length - 20;
    bytes[at] = name === 'manifest.json' ? 0x33 : (bytes[at] ?? 0) ^ 1;
    writeFileSync(join(dir, name), bytes);
    await expect(createDecisionEngine({ policyDir: dir })).rejects.toMatchObject({
      code: 'policy-digest-mismatch',
    });
  },
);

test('a policy that is not there or no policy is an error with its own code', async () => {
  await expect(loadPolicyBundle(join(tmpdir(), 'no-policy'))).rejects.toMatchObject({
    code: 'policy-missing',
  });
  const dir = copyOfPolicy();
  for (const text of ['{', '{}', 'null', '{"schema":"sluice.policy/v1"}']) {
    writeFileSync(join(dir, 'manifest.json'), text);
    await expect(loadPolicyBundle(dir)).rejects.toMatchObject({ code: 'policy-corrupt' });
  }
});

function inputOf(name: string): Record<string, unknown> {
  const text = readFileSync(join(policyDir, 'corpus', `${name}.json`), 'utf8');
  return (JSON.parse(text) as { input: Record<string, unknown> }).input;
}

function copyOfPolicy(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-policy-'));
  copies.push(dir);
  for (const name of readdirSync(policyDir)) {
    if (name !== 'corpus') copyFileSync(join(policyDir, name), join(dir, name));
  }
  return dir;
}

function shuffled(value: unknown, random: () => number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, random));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => ({ key, item: shuffled(item, random), place: random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ key, item }) => [key, item]),
  );
}
