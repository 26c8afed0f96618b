/**
 * `npm run test:faults -- --all [--report FILE]`: kills worker, API and agent with -9 at every event position of the recorded
 * histories, on a real stack, and judges each by journal, records, history and events. Without --all: the seeded sample that
 * `npm test` runs. `--seed N` picks another sample. Prints the report, {seed, positions, reached, promotions,
 * violations, seconds, runs}, to standard output.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAll } from '../build/build.mjs';
import { runJest } from './run-jest.mjs';

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    report: { type: 'string' },
    seed: { type: 'string' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'));
const report = resolve(values.report ?? join(folder, 'report.json'));
process.env.SLUICE_FAULTS_REPORT = report;
if (values.all) process.env.SLUICE_EVENT_KILLS = 'all';
if (values.seed) process.env.SLUICE_FAULT_SEED = values.seed;
try {
  const { errors } = await buildAll();
  for (const error of errors) console.error(error);
  const { totals } = await runJest({
    patterns: ['test/faults/event-kills'],
    reportFile: join(folder, 'jest.json'),
    wholeRunMs: 5 * 3600_000,
  });
  process.stdout.write(readFileSync(report, 'utf8'));
  process.exitCode = totals.failed === 0 ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
