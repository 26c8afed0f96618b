/**
 * `npm run test:faults -- --all [--shards N] [--report FILE]`: kills worker, API and agent with -9 at every event position of the
 * recorded histories, on real stacks, and judges each promotion by journal, records, history and events. Without --all: the seeded
 * sample that `npm test` runs. `--seed N` picks another sample. A run waits much (for the engine to notice the dead): N stacks
 * beside each other share the positions. Prints the report, {seed, positions, killed, reached, promotions, violations, seconds,
 * runs}, to standard output.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
    shards: { type: 'string', default: '1' },
  },
});
const shards = Number(values.shards);
if (!Number.isInteger(shards) || shards < 1 || shards > 16) {
  console.error('--shards: write a whole number from 1 to 16.');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'));
try {
  const { errors } = await buildAll();
  for (const error of errors) console.error(error);
  const parts = await Promise.all(
    Array.from({ length: shards }, (_, index) => runShard(index + 1)),
  );
  const report = merge(parts.map(({ report }) => report));
  const text = toText(report);
  if (values.report) writeFileSync(resolve(values.report), text);
  process.stdout.write(text);
  const isWhole = parts.every(({ failed }) => failed === 0);
  process.exitCode = isWhole && report.violations.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function runShard(shard) {
  const reportFile = join(folder, `report-${shard}.json`);
  const { totals } = await runJest({
    patterns: ['test/faults/event-kills'],
    reportFile: join(folder, `jest-${shard}.json`),
    wholeRunMs: 5 * 3600_000,
    env: {
      SLUICE_FAULTS_REPORT: reportFile,
      SLUICE_FAULT_SHARD: `${shard}/${shards}`,
      ...(values.all ? { SLUICE_EVENT_KILLS: 'all' } : {}),
      ...(values.seed ? { SLUICE_FAULT_SEED: values.seed } : {}),
    },
  });
  return { failed: totals.failed, report: JSON.parse(readFileSync(reportFile, 'utf8')) };
}

function merge(reports) {
  const sum = (name) => reports.reduce((total, report) => total + report[name], 0);
  return {
    seed: reports[0].seed,
    positions: sum('positions'),
    killed: sum('killed'),
    reached: sum('reached'),
    promotions: sum('promotions'),
    violations: reports.flatMap(({ violations }) => violations),
    seconds: Math.max(...reports.map(({ seconds }) => seconds)),
    runs: reports.flatMap(({ runs }) => runs),
  };
}

/** One line a run, so that a report can be read and compared. */
function toText({ runs, ...head }) {
  const lines = runs.map((run) => `    ${JSON.stringify(run)}`).join(',\n');
  const start = JSON.stringify(head, null, 2).slice(0, -2);
  return `${start},\n  "runs": [\n${lines}\n  ]\n}\n`;
}
