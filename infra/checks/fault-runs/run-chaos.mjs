import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runJest } from '../run-jest.mjs';

const DEFAULT_PROMOTIONS = '50';
const DEFAULT_KILLS = '12';
const SEEDS = 2 ** 31;

/**
 * Runs promotions while processes are killed, paused and restarted at random, and prints the report. Without a seed one is drawn;
 * the report names it.
 *
 * @param {{ promotions?: string, kills?: string, seed?: string, json: boolean, logs?: string, report?: string }} values
 * @param {string} folder for what is in between
 * @returns {Promise<boolean>} whether nothing was violated
 */
export async function runChaos(values, folder) {
  const { promotions = DEFAULT_PROMOTIONS, kills = DEFAULT_KILLS } = values;
  const seed = values.seed ?? String(randomInt(SEEDS));
  console.error(`seed ${seed}`);
  const reportFile = join(folder, 'report.json');
  const startedAt = Date.now();
  const { totals, problems } = await runJest({
    patterns: ['test/faults/chaos'],
    reportFile: join(folder, 'jest.json'),
    wholeRunMs: 5 * 3600_000,
    env: {
      SLUICE_CHAOS_PROMOTIONS: promotions,
      SLUICE_CHAOS_KILLS: kills,
      SLUICE_FAULT_SEED: seed,
      SLUICE_FAULTS_REPORT: reportFile,
      ...(values.logs ? { SLUICE_FAULTS_LOGS: resolve(values.logs) } : {}),
    },
  });
  for (const problem of problems) console.error(problem);
  const report = existsSync(reportFile)
    ? JSON.parse(readFileSync(reportFile, 'utf8'))
    : unjudged({ seed, promotions, seconds: Math.round((Date.now() - startedAt) / 1000) });
  if (values.report) writeFileSync(resolve(values.report), `${JSON.stringify(report, null, 2)}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(toText(report));
  return totals.failed === 0 && report.violations.length === 0;
}

/** A run that ended before it was judged has shown nothing, which is a violation. */
function unjudged({ seed, promotions, seconds }) {
  return {
    seed: Number(seed),
    promotions: Number(promotions),
    faults: {},
    violations: [{ problems: ['the run ended before it was judged: look at its output'] }],
    seconds,
  };
}

/** For people: what was done, and each violation with its promotion's timeline. */
function toText({ seed, promotions, faults, violations, seconds }) {
  const lines = [
    `${promotions} promotions in ${seconds} s, seed ${seed}`,
    ...Object.entries(faults).map(([kind, count]) => `${String(count).padStart(5)} ${kind}`),
    violations.length === 0 ? 'no violation' : `${violations.length} violations`,
  ];
  for (const { promotion = 'the whole', story, state, problems, timeline } of violations) {
    lines.push('', `${promotion}${story ? ` (${story}, ended ${state})` : ''}`);
    lines.push(...problems.map((problem) => `  ✗ ${problem}`));
    for (const [kind, entries] of Object.entries(timeline ?? {})) {
      lines.push(`  ${kind}`, ...entries.map((entry) => `    ${entry}`));
    }
  }
  return `${lines.join('\n')}\n`;
}
