import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { repositoryRoot } from '../build/workspaces.mjs';
import { countJestReport } from './test-report.mjs';

const flags = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
/** The engine's servers collect less often: they are small, short-lived, and many. */
const calmEngines = { GOGC: '400' };
const defaultRunMs = 45 * 60_000;
const exitGraceMs = 60_000;

/**
 * Runs Jest in a process of its own; its output goes to standard error as it comes.
 *
 * @param {{ patterns: string[], reportFile: string, wholeRunMs?: number, env?: NodeJS.ProcessEnv }} options
 *   `reportFile` is written by Jest; after `wholeRunMs` the run is ended; `env` is added to this process's
 * @returns {Promise<{ totals: { passed: number, failed: number, skipped: number },
 *   suites: { file: string, seconds: number }[], problems: string[] }>} a suite that could not be
 *   run, a Jest that gives no report and one that does not end count as failures
 */
export async function runJest({ patterns, reportFile, wholeRunMs = defaultRunMs, env = {} }) {
  const child = spawn(
    process.execPath,
    [
      ...['node_modules/jest/bin/jest.js', '--ci', '--json', `--outputFile=${reportFile}`],
      ...(patterns.length > 0 ? ['--passWithNoTests=false', ...patterns] : []),
    ],
    {
      cwd: repositoryRoot,
      env: {
        ...calmEngines,
        ...process.env,
        ...env,
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${flags}`.trim(),
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const forward = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, forward);
  const problems = [];
  await untilEnded(child, reportFile, problems, wholeRunMs);
  for (const signal of ['SIGINT', 'SIGTERM']) process.removeListener(signal, forward);

  const report = readReport(reportFile);
  if (!report) {
    problems.push(`Jest ended without a report (${describeEnd(child)}).`);
    return { totals: { passed: 0, failed: problems.length, skipped: 0 }, suites: [], problems };
  }
  const { totals, notRun } = countJestReport(report);
  for (const suite of notRun) {
    problems.push(`${relative(repositoryRoot, suite)} could not be run; its error is above.`);
  }
  if (totals.failed === 0 && problems.length === 0 && child.exitCode !== 0) {
    problems.push(`Jest ended badly though no test failed (${describeEnd(child)}).`);
  }
  const suites = report.testResults.map(({ name, startTime, endTime }) => ({
    file: relative(repositoryRoot, name),
    seconds: Math.max(0, (endTime - startTime) / 1000),
  }));
  return {
    totals: { ...totals, failed: totals.failed + problems.length },
    suites,
    problems,
  };
}

/** Waits for the end; one that hangs after its report, or altogether, is ended. */
function untilEnded(child, reportFile, problems, wholeRunMs) {
  return new Promise((resolve) => {
    const started = Date.now();
    let reported;
    const watch = setInterval(() => {
      if (reported === undefined && existsSync(reportFile)) reported = Date.now();
      const late = Date.now() - started > wholeRunMs;
      if (late || (reported !== undefined && Date.now() - reported > exitGraceMs)) {
        clearInterval(watch);
        problems.push(
          late
            ? `Jest did not end within ${wholeRunMs / 60_000} minutes and was ended.`
            : 'Jest did not end after its last test: a suite leaves something open.',
        );
        child.kill('SIGTERM');
        setTimeout(() => child.kill('SIGKILL'), 20_000).unref();
      }
    }, 500);
    child.once('close', () => {
      clearInterval(watch);
      resolve();
    });
    child.once('error', (error) => {
      clearInterval(watch);
      problems.push(`Jest cannot be started: ${error.message}`);
      resolve();
    });
  });
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function describeEnd(child) {
  return child.signalCode ? `signal ${child.signalCode}` : `status ${child.exitCode}`;
}
