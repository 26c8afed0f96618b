import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { findInstallProblem } from '../build/install.mjs';
import { readJson, repositoryRoot } from '../build/workspaces.mjs';
import { checkFileNames } from './file-names.mjs';
import { checkFileSizes } from './file-sizes.mjs';
import { checkGeneratedFiles } from './generated-files.mjs';
import { runCommand } from './run-command.mjs';
import { countJestReport, formatSlowest, formatSummary, sumTotals } from './test-report.mjs';

let root;
const write = (file, content) => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-checks-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('file sizes', () => {
  test.each([
    ['libs/a/src/long.ts', 400, true],
    ['libs/a/src/long.ts', 401, false],
    ['libs/a/src/long.spec.ts', 600, true],
    ['libs/a/src/long.spec.ts', 601, false],
    ['test/e2e/long.ts', 601, false],
    ['migrations/000001_long.sql', 401, false],
    ['migrations/schema.sql', 5000, true],
    ['libs/a/dist/long.js', 5000, true],
    ['graphql/src/generated/types.ts', 5000, true],
  ])('%s with %d lines: %s', async (file, lines, ok) => {
    write(file, 'x\n'.repeat(lines));
    const result = await checkFileSizes(root);
    expect(result.ok).toBe(ok);
    if (!ok) expect(result.output).toContain(file);
  });
});

test.each([
  ['libs/a/src/release.repository.ts', true],
  ['libs/a/src/x509.spec.ts', true],
  ['libs/a/src/ReleaseList.ts', false],
  ['libs/a/src/release_list.ts', false],
  ['libs/a/src/string-utils.ts', false],
  ['libs/a/src/helper.ts', false],
])('file name %s: %s', async (file, ok) => {
  write(file, '');
  expect((await checkFileNames(root)).ok).toBe(ok);
});

describe('generated files', () => {
  const generator = (script) => [
    { name: 'sample', files: ['out.txt'], command: ['node', '-e', script] },
  ];
  const writeOut = (text) => `require('fs').writeFileSync('out.txt', '${text}')`;

  test('the same output passes', async () => {
    write('out.txt', 'same');
    expect(await checkGeneratedFiles(root, generator(writeOut('same')))).toEqual({
      ok: true,
      output: '',
    });
  });

  test('another output fails, every time, and leaves the committed file', async () => {
    write('out.txt', 'old');
    for (const _ of [1, 2]) {
      const result = await checkGeneratedFiles(root, generator(writeOut('new')));
      expect(result.ok).toBe(false);
      expect(result.output).toContain('out.txt');
      expect(readFileSync(join(root, 'out.txt'), 'utf8')).toBe('old');
    }
  });

  test('a file that was never committed and a generator that fails are failures', async () => {
    expect((await checkGeneratedFiles(root, generator(writeOut('new')))).ok).toBe(false);
    const result = await checkGeneratedFiles(root, generator("throw new Error('broken')"));
    expect(result.output).toContain('broken');
  });
});

test('a command that hangs is ended and says so', async () => {
  const argv = ['node', '-e', "console.log('begun'); setInterval(() => {}, 1000)"];
  const result = await runCommand(argv, { timeoutMs: 1500 });
  expect(result.ok).toBe(false);
  expect(result.output).toMatch(/begun[^]*did not end within 1\.5 s/);
  expect((await runCommand(['no-such-program'])).output).toContain('cannot be started');
});

describe('counting', () => {
  const report = {
    numPassedTests: 5,
    numFailedTests: 1,
    numPendingTests: 2,
    numTodoTests: 1,
    testResults: [
      { name: '/a.spec.ts', status: 'passed', assertionResults: [{ status: 'passed' }] },
      { name: '/b.spec.ts', status: 'failed', assertionResults: [{ status: 'failed' }] },
      { name: '/c.spec.ts', status: 'failed', assertionResults: [] },
    ],
  };

  test('a suite that could not be run is named, to be counted as a failure', () => {
    const { totals, notRun } = countJestReport(report);
    expect(totals).toEqual({ passed: 5, failed: 1, skipped: 3 });
    expect(notRun).toEqual(['/c.spec.ts']);
  });

  test('the last line', () => {
    const checks = { passed: 7, failed: 0, skipped: 0 };
    expect(formatSummary(sumTotals([checks, countJestReport(report).totals]))).toBe(
      '12 passed, 1 failed, 3 skipped',
    );
  });

  test('the slowest suites', () => {
    const suites = [1, 3, 2].map((seconds) => ({ file: `${seconds}.spec.ts`, seconds }));
    expect(formatSlowest(suites, 2).slice(1)).toEqual([
      '     3.0 s  3.spec.ts',
      '     2.0 s  2.spec.ts',
    ]);
  });
});

describe('installed packages', () => {
  const lock = (version) =>
    JSON.stringify({ packages: { '': {}, 'node_modules/a': { version, integrity: version } } });

  test('nothing installed, another version, a deleted folder, all there', () => {
    write('package-lock.json', lock('1.0.0'));
    expect(findInstallProblem(root)).toBe('the packages are not installed');
    write('node_modules/.package-lock.json', lock('0.9.0'));
    expect(findInstallProblem(root)).toContain('is 0.9.0, locked is 1.0.0');
    write('node_modules/.package-lock.json', lock('1.0.0'));
    expect(findInstallProblem(root)).toContain('is gone');
    mkdirSync(join(root, 'node_modules/a'));
    expect(findInstallProblem(root)).toBeUndefined();
  });
});

// `npm ci` refuses a lock that lacks an optional package of another platform, on every platform;
// npm writes such a lock when a registry does not have that package.
test('the lock names the optional packages of every platform', () => {
  const { packages } = readJson(join(repositoryRoot, 'package-lock.json'));
  const paths = Object.keys(packages);
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !paths.some((candidate) => candidate.endsWith(`node_modules/${name}`)))
      .map((name) => `${name}, wanted by ${path}`),
  );
  expect(missing).toEqual([]);
});

describe('lint', () => {
  const cases = [
    [
      'an async Update validator',
      'setHandler(u, f, { validator: async () => {} });',
      'synchronously',
    ],
    ['jest.mock', "jest.mock('./x.ts');", 'native ESM'],
    ['a default export', 'export default 1;', 'Export by name'],
    ['an enum', 'export enum A { B }', 'a union of string literals'],
    [
      'a parameter property',
      'export class C { constructor(readonly b: string) {} }',
      'Declare the field',
    ],
    ['a promise nobody waits for', 'f();', 'no-floating-promises'],
    [
      'a validator that gives a promise',
      'export const o: { validator: () => void } = { validator: f };',
      'no-misused-promises',
    ],
    ['any', 'export const a: any = 1;', 'no-explicit-any'],
  ];
  let messages;

  beforeAll(async () => {
    const code = cases.map(([, line]) => line).join('\n');
    messages = await lint(`${code}\nasync function f(): Promise<void> {}\n`);
  }, 120_000);

  test.each(cases.map(([name, , message], index) => [name, message, index + 1]))(
    'refuses %s',
    (_, message, line) => {
      const found = messages.filter((candidate) => candidate.line === line);
      expect(found.map(({ ruleId, message }) => `${ruleId}: ${message}`).join('\n')).toContain(
        message,
      );
    },
  );
});

/** Lints a text as if it were a file of the repository. */
function lint(code) {
  const argv = [
    'node_modules/eslint/bin/eslint.js',
    '--format=json',
    '--stdin',
    '--stdin-filename',
  ];
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [...argv, 'libs/domain/src/index.ts'],
      // In a single run types come from the file on disk, not from standard input.
      { cwd: repositoryRoot, env: { ...process.env, TSESTREE_SINGLE_RUN: 'false' } },
      (_, stdout, stderr) =>
        stdout ? resolve(JSON.parse(stdout)[0].messages) : reject(new Error(stderr)),
    );
    child.stdin.end(code);
  });
}
