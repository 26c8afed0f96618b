import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseCommandLine } from './command-line.ts';
import { listInputFiles } from './input-files.ts';

test('run takes many inputs, however they are named', () => {
  const parsed = parseCommandLine([
    'run',
    '--input',
    'a',
    'b',
    '--inputs',
    '--input',
    'c',
    '--workers',
    '3',
  ]);
  expect(parsed).toEqual({
    verb: 'run',
    command: {
      inputs: ['a', 'c', 'b'],
      key: undefined,
      bundle: undefined,
      bundles: undefined,
      workers: 3,
      compareInputs: true,
      format: 'text',
      json: undefined,
      junit: undefined,
      isProgressShown: true,
    },
  });
});

test('at and inspect take one', () => {
  expect(
    parseCommandLine(['at', '--input', 'a', '--event', '12', '--format', 'json']),
  ).toMatchObject({
    verb: 'at',
    command: { input: 'a', event: 12, format: 'json' },
  });
  expect(parseCommandLine(['inspect', '--input', 'a', '--key', 'k'])).toMatchObject({
    verb: 'inspect',
    command: { input: 'a', key: 'k' },
  });
  expect(parseCommandLine(['at', '--help'])).toEqual({ verb: 'help' });
});

test.each([
  [['run']],
  [['run', '--input', 'a', '--workers', '65']],
  [['run', '--input', 'a', '--workers', '1.5']],
  [['run', '--input', 'a', '--format', 'xml']],
  [['run', '--input', 'a', '--unknown']],
  [['at', '--input', 'a']],
  [['at', '--input', 'a', '--event', '0']],
  [['at', '--input', 'a', '--event', 'x']],
  [['at', '--input', 'a', '--input', 'b', '--event', '1']],
  [['inspect']],
  [['walk']],
])('%j is refused in one line', (args) => {
  let message = '';
  try {
    parseCommandLine(args);
  } catch (error) {
    message = (error as Error).message;
    expect((error as { code?: string }).code).toBe('usage');
  }
  expect(message).toMatch(/^.+$/);
});

test('folders are searched for histories, and kept code beside them is left out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice inputs '));
  try {
    for (const name of [
      'b.json',
      'a.history',
      'notes.md',
      '.hidden.json',
      'workflow-bundle.json',
    ]) {
      await writeFile(join(folder, name), '');
    }
    await mkdir(join(folder, 'sub', 'bundles'), { recursive: true });
    await writeFile(join(folder, 'sub', 'c.pb'), '');
    // As they lie in the evidence store: histories among other evidence, named by their digests.
    const archive = `{"head":{"runId":"1"},"keyId":"k","schema":"sluice.history-archive/v1"}\nbytes`;
    const evidence = [archive, '{"head":{}}\n', '{"head":{', 'text', ''];
    for (const [at, text] of evidence.entries()) {
      await writeFile(join(folder, 'sub', `${at}`.repeat(64)), text);
    }
    await writeFile(join(folder, 'sub', 'bundles', 'bundles.json'), '[]');
    await writeFile(join(folder, 'sub', 'bundles', 'abc.json'), '{}');
    const expected = ['a.history', 'b.json', join('sub', '0'.repeat(64)), join('sub', 'c.pb')].map(
      (name) => join(folder, name),
    );
    expect(await listInputFiles([folder])).toEqual(expected);
    expect(await listInputFiles([join(folder, 'notes.md'), folder])).toEqual([
      join(folder, 'notes.md'),
      ...expected,
    ]);
    await expect(listInputFiles([join(folder, 'gone')])).rejects.toMatchObject({
      code: 'input-unusable',
    });
    await mkdir(join(folder, 'empty'));
    await expect(listInputFiles([join(folder, 'empty')])).rejects.toThrow(/no history/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
