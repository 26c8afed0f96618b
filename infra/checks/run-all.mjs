/**
 * `npm test`: sets up what is missing, runs every check and every test, and ends with
 * `N passed, N failed, N skipped`; the status is 0 only when nothing failed.
 *
 *   npm test                    everything
 *   npm test -- PATTERN…        only the Jest suites whose path matches, no checks
 *   npm test -- --checks        only the checks
 *
 * Needs Node alone to start with: packages and tools are installed by the run itself.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled } from '../build/install.mjs';
import { runCommand } from './run-command.mjs';
import { runJest } from './run-jest.mjs';
import { formatSlowest, formatSummary, sumTotals } from './test-report.mjs';

const args = process.argv.slice(2);
const onlyChecks = args.includes('--checks');
const patterns = args.filter((argument) => !argument.startsWith('--'));
const say = (line) => console.log(line);

const parts = [];
const started = performance.now();
try {
  await setUp();
  if (patterns.length === 0) parts.push(await runChecks());
  if (!onlyChecks) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    try {
      const jest = await runJest({ patterns, reportFile: join(folder, 'jest.json') });
      for (const problem of jest.problems) say(`\n✗ ${problem}`);
      for (const line of formatSlowest(jest.suites, 10)) say(line);
      parts.push(jest.totals);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
} catch (error) {
  say(`\n✗ set-up: ${error instanceof Error ? error.message : error}`);
  parts.push({ passed: 0, failed: 1, skipped: 0 });
}
const totals = sumTotals(parts);
say(`\n${((performance.now() - started) / 60_000).toFixed(1)} minutes`);
say(formatSummary(totals));
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;

async function setUp() {
  await ensureInstalled();
  const { buildAll } = await import('../build/build.mjs');
  // A run of everything takes what is committed: what was forgotten is to be found, not mended in passing.
  const { errors } = await buildAll({ generate: patterns.length > 0 });
  // Jest runs from sources, so go on: the suites that the broken file belongs to will tell more.
  for (const error of errors) say(`✗ build: ${error}`);
  if (errors.length > 0) parts.push({ passed: 0, failed: 1, skipped: 0 });
  if (onlyChecks) return;
  const tools = await runCommand(['node', 'infra/dist/tools/main.js', '--for', 'test'], {
    timeoutMs: 30 * 60_000,
    echo: true,
  });
  if (!tools.ok) {
    say('✗ tools: one is missing, see above; the tests that need it will fail.');
    parts.push({ passed: 0, failed: 1, skipped: 0 });
  }
}

/** Two at a time, told in the order of the list. */
async function runChecks() {
  const { checks } = await import('./checks.mjs');
  const running = [];
  const totals = { passed: 0, failed: 0, skipped: 0 };
  const start = (index) => {
    const check = checks[index];
    if (check) running[index] = runCheck(check).finally(() => start(running.length));
  };
  start(0);
  start(1);
  for (const [index, { name }] of checks.entries()) {
    while (!running[index]) await Promise.race(running);
    const { ok, output, seconds } = await running[index];
    say(`${ok ? '✓' : '✗'} ${name} (${seconds.toFixed(1)} s)`);
    if (!ok) say(indent(output));
    totals[ok ? 'passed' : 'failed'] += 1;
  }
  return totals;
}

async function runCheck({ run }) {
  const from = performance.now();
  const result = await run().catch((error) => ({
    ok: false,
    output: String(error?.stack ?? error),
  }));
  return { ...result, seconds: (performance.now() - from) / 1000 };
}

/** The beginning of long output is worth more than its end: later complaints often follow from it. */
function indent(text) {
  const lines = text.trimEnd().split('\n');
  const shown = lines.slice(0, 200);
  if (shown.length < lines.length) shown.push(`… ${lines.length - shown.length} more lines`);
  return shown.map((line) => `    ${line}`).join('\n');
}
