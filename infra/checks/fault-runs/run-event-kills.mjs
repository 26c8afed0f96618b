import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runJest } from '../run-jest.mjs';

/**
 * Runs the kills at event positions, shared by so many stacks, and prints their report. With an earlier report only what is not in it, or
 * did not agree; both are in the new one.
 *
 * @param {{ all: boolean, shards: string, seed?: string, report?: string, resume?: string }} values
 * @param {string} folder for what is in between
 * @returns {Promise<boolean>} whether nothing was violated
 */
export async function runEventKills(values, folder) {
  const shards = Number(values.shards);
  const earlier = values.resume ? withoutViolations(values.resume) : undefined;
  const doneFile = earlier && join(folder, 'done.json');
  if (doneFile) writeFileSync(doneFile, JSON.stringify(earlier.runs));
  const parts = await Promise.all(
    Array.from({ length: shards }, (_, index) =>
      runShard(values, folder, index + 1, shards, doneFile),
    ),
  );
  const report = merge(
    earlier,
    parts.map(({ report }) => report),
  );
  const text = toText(report);
  if (values.report) writeFileSync(resolve(values.report), text);
  process.stdout.write(text);
  return parts.every(({ failed }) => failed === 0) && report.violations.length === 0;
}

async function runShard(values, folder, shard, shards, doneFile) {
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
      ...(doneFile ? { SLUICE_FAULTS_DONE: doneFile } : {}),
    },
  });
  return { failed: totals.failed, report: JSON.parse(readFileSync(reportFile, 'utf8')) };
}

/** What of an earlier report counts. */
function withoutViolations(file) {
  const { violations, runs, ...head } = JSON.parse(readFileSync(resolve(file), 'utf8'));
  const keyOf = ({ story, victim, events }) => `${story} ${victim} ${events}`;
  const bad = new Set(violations.map(keyOf));
  const good = runs.filter((run) => !bad.has(keyOf(run)));
  const killed = good.reduce((sum, { events }) => sum + events.length, 0);
  const reached = good.reduce((sum, run) => sum + run.reached, 0);
  return {
    ...head,
    positions: killed,
    killed,
    reached,
    promotions: good.length,
    repeated: (head.repeated ?? 0) + bad.size,
    violations: [],
    runs: good,
  };
}

function merge(earlier, parts) {
  const reports = earlier ? [earlier, ...parts] : parts;
  const sum = (name) => reports.reduce((total, report) => total + report[name], 0);
  return {
    seed: reports[0].seed,
    positions: sum('positions'),
    killed: sum('killed'),
    reached: sum('reached'),
    promotions: sum('promotions'),
    violations: reports.flatMap(({ violations }) => violations),
    // Runs of earlier that did not agree, or could not be judged, and were repeated.
    repeated: earlier?.repeated ?? 0,
    // Stacks run beside each other.
    seconds: (earlier?.seconds ?? 0) + Math.max(...parts.map(({ seconds }) => seconds)),
    runs: reports.flatMap(({ runs }) => runs),
  };
}

/** One line a run, so that a report can be read and compared. */
function toText({ runs, ...head }) {
  const lines = runs.map((run) => `    ${JSON.stringify(run)}`).join(',\n');
  const start = JSON.stringify(head, null, 2).slice(0, -2);
  return `${start},\n  "runs": [\n${lines}\n  ]\n}\n`;
}
