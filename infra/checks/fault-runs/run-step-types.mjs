import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runJest } from '../run-jest.mjs';

/**
 * Runs a fault in the middle of a step of every type, each fault for all types at once, and prints the report; without --all the
 * sample that `npm test` takes.
 *
 * @param {{ all: boolean, only?: string, seed?: string, report?: string }} values
 * @param {string} folder for what is in between
 * @returns {Promise<boolean>} whether nothing was violated
 */
export async function runStepTypes(values, folder) {
  const reportFile = join(folder, 'step-types.json');
  const { totals, problems } = await runJest({
    patterns: ['test/faults/step-types'],
    reportFile: join(folder, 'jest.json'),
    wholeRunMs: 2 * 3600_000,
    env: {
      SLUICE_FAULTS_REPORT: reportFile,
      ...(values.all ? { SLUICE_STEP_TYPES: 'all' } : {}),
      ...(values.only ? { SLUICE_STEP_TYPES: 'all', SLUICE_STEP_TYPES_ONLY: values.only } : {}),
      ...(values.seed ? { SLUICE_FAULT_SEED: values.seed } : {}),
    },
  });
  for (const problem of problems) console.error(problem);
  if (!existsSync(reportFile)) {
    console.error('The run ended before its first round was judged: look at its output.');
    return false;
  }
  const report = JSON.parse(readFileSync(reportFile, 'utf8'));
  const text = toText(report);
  if (values.report) writeFileSync(resolve(values.report), text);
  process.stdout.write(text);
  return totals.failed === 0 && report.violations.length === 0;
}

/** One line a run, so that a report can be read and compared. */
function toText({ runs, ...head }) {
  const lines = runs.map((run) => `    ${JSON.stringify(run)}`).join(',\n');
  const start = JSON.stringify(head, null, 2).slice(0, -2);
  return `${start},\n  "runs": [\n${lines}\n  ]\n}\n`;
}
