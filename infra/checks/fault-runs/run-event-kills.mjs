import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runJest } from '../run-jest.mjs';

/**
 * Runs the kills at event positions, shared by so many stacks, and prints their report.
 *
 * @param {{ all: boolean, shards: string, seed?: string, report?: string }} values
 * @param {string} folder for what is in between
 * @returns {Promise<boolean>} whether nothing was violated
 */
export async function runEventKills(values, folder) {
  const shards = Number(values.shards);
  const parts = await Promise.all(
    Array.from({ length: shards }, (_, index) => runShard(values, folder, index + 1, shards)),
  );
  const report = merge(parts.map(({ report }) => report));
  const text = toText(report);
  if (values.report) writeFileSync(resolve(values.report), text);
  process.stdout.write(text);
  return parts.every(({ failed }) => failed === 0) && report.violations.length === 0;
}

async function runShard(values, folder, shard, shards) {
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
