import { join } from 'node:path';
import { runJest } from '../run-jest.mjs';
import { formatSlowest, formatSummary } from '../test-report.mjs';

/** The suites of which `npm test` runs a sample: of the places where they bring their fault, of random pipelines and of large ones. */
const SUITES = [
  'workflows/src/course/course-properties',
  'workflows/src/course/course-scale',
  'test/src/workflows/workflow-faults',
  'test/faults/processes-killed',
  'test/faults/parts-away',
  'test/e2e/rollouts',
];

/**
 * Brings each fault at each of its places: every call of every scenario of the workflows, every stage of an agent, every
 * transaction of a worker, each engine stopped and killed.
 *
 * @param {object} _values
 * @param {string} folder for what is in between
 * @returns {Promise<boolean>} whether every suite passed
 */
export async function runPlaces(_values, folder) {
  const { totals, suites, problems } = await runJest({
    patterns: SUITES,
    reportFile: join(folder, 'jest.json'),
    wholeRunMs: 3 * 3600_000,
    env: { SLUICE_FAULT_PLACES: 'all' },
  });
  for (const problem of problems) console.error(problem);
  for (const line of formatSlowest(suites, suites.length)) console.log(line);
  console.log(formatSummary(totals));
  return totals.failed === 0 && totals.passed > 0;
}
