/**
 * Counts the cases of a Jest JSON report.
 *
 * @param {any} report what `jest --json` wrote
 * @returns {{ totals: { passed: number, failed: number, skipped: number }, notRun: string[] }}
 *   `notRun`: the suites that failed without a failed case (they could not start, or a hook
 *   outside of a case failed)
 */
export function countJestReport(report) {
  const notRun = report.testResults
    .filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((result) => result.status === 'failed'),
    )
    .map(({ name }) => name);
  const totals = {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
  };
  return { totals, notRun };
}

/** Adds up. @param {{ passed: number, failed: number, skipped: number }[]} parts */
export function sumTotals(parts) {
  const sum = (name) => parts.reduce((total, part) => total + part[name], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** The last line of a run. */
export function formatSummary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * The slowest suites, slowest first, one line each below a heading; nothing when there are none.
 *
 * @param {{ file: string, seconds: number }[]} suites
 * @param {number} count
 * @returns {string[]}
 */
export function formatSlowest(suites, count) {
  if (suites.length === 0) return [];
  const slowest = [...suites].sort((a, b) => b.seconds - a.seconds).slice(0, count);
  return [
    '\nslowest suites',
    ...slowest.map(({ file, seconds }) => `${seconds.toFixed(1).padStart(8)} s  ${file}`),
  ];
}
