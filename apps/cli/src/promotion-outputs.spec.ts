import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const fake = (answers: FakeAnswers = {}) =>
  fakeIo(
    Object.fromEntries(
      Object.entries(answers).map(([name, answer]) => [
        name,
        (variables: Record<string, unknown>) => ({ data: answer(variables) }),
      ]),
    ),
  );

const digest = `sha256:${'a'.repeat(64)}`;
const TEXT = '["one","\u202etwo\u0085","three"]';
const LARGE = { name: 'hosts', digest, bytes: TEXT.length };

/** An output that comes in pieces of seven characters. */
const pieces: FakeAnswers = {
  stepOutput: ({ offset }) => {
    const from = Number(offset);
    const text = TEXT.slice(from, from + 7);
    const nextOffset = from + text.length;
    const isEnd = nextOffset === TEXT.length;
    return { stepOutput: { offset: from, text, nextOffset, isEnd, problem: null, output: LARGE } };
  },
};
const steps = ['list', 'deploy'].map((id) => ({ id, state: 'SUCCEEDED' }));
const promotion = () => ({
  promotion: { id: 'dev/1', state: 'SUCCEEDED', packet: null, steps },
});

test('outputs are listed: a value, or the digest by which it is kept', async () => {
  const outputs = [
    { name: 'count', value: 3, digest: null, bytes: 1 },
    { ...LARGE, value: null },
    { name: 'note', value: `\u009b31m${'long '.repeat(30)}`, digest: null, bytes: 160 },
  ];
  const io = fake({ stepOutputs: () => ({ stepOutputs: outputs }) });
  expect(await runCli(['promotion', 'outputs', 'dev/1', 'list'], io)).toBe(0);
  expect(io.outText()).toMatch(/count +1 +3\n/);
  expect(io.outText()).toMatch(new RegExp(`hosts +${TEXT.length} +sha256:a{20,}`));
  expect(io.outText()).toContain('"\\u009b31mlong');
  expect(io.outText()).toContain('…');
  const none = fake({ promotion, stepOutputs: () => ({ stepOutputs: [] }) });
  expect(await runCli(['promotion', 'outputs', 'dev/1', 'list'], none)).toBe(0);
  expect(none.outText()).toContain('It gave nothing');
  const unknown = fake({ promotion, stepOutputs: () => ({ stepOutputs: [] }) });
  expect(await runCli(['promotion', 'outputs', 'dev/1', 'lost'], unknown)).toBe(1);
  expect(unknown.errText()).toContain('It has list, deploy.');
});

test('one output is read piece by piece: to the terminal what cannot steer it, to a file as it is', async () => {
  const io = fake(pieces);
  expect(await runCli(['promotion', 'outputs', 'dev/1', 'list', 'hosts'], io)).toBe(0);
  expect(io.outText()).toBe('["one","\\u202etwo\\u0085","three"]\n');
  const json = fake(pieces);
  const words = ['promotion', 'outputs', 'dev/1', 'list', 'hosts'];
  expect(await runCli([...words, '--member', '3', '--json'], json)).toBe(0);
  expect(JSON.parse(json.outText())).toMatchObject({ value: JSON.parse(TEXT), output: LARGE });
  expect(json.asked[1]?.[1]).toMatchObject({ member: '3', offset: 7 });
  const folder = mkdtempSync(join(tmpdir(), 'sluice-outputs-'));
  try {
    const file = join(folder, 'hosts.json');
    expect(await runCli([...words, '--file', file], fake(pieces))).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(TEXT);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what cannot be read, and what is not there, says so', async () => {
  const problem = { code: 'output-changed', message: 'Output hosts is another one.' };
  const page = { offset: 0, text: null, nextOffset: 0, isEnd: true, problem, output: LARGE };
  const changed = fake({ stepOutput: () => ({ stepOutput: page }) });
  expect(await runCli(['promotion', 'outputs', 'dev/1', 'list', 'hosts'], changed)).toBe(1);
  expect(changed.errText()).toContain('Output hosts is another one.');
  const none = fake({ promotion, stepOutput: () => ({ stepOutput: null }) });
  expect(await runCli(['promotion', 'outputs', 'dev/1', 'list', 'lost'], none)).toBe(1);
  expect(none.errText()).toContain('--member');
});

test.each([['Not A Step'], ['list', '--file', 'x']])(
  'outputs dev/1 %s %s is a usage error',
  async (...words) => {
    expect(await runCli(['promotion', 'outputs', 'dev/1', ...words], fake())).toBe(2);
  },
);
