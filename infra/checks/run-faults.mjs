/**
 * `npm run test:faults`: real stacks whose processes are killed, judged by journals, records, histories and events.
 *
 *   --promotions N --kills K [--seed S] [--json] [--logs FOLDER]
 *       N promotions of mixed outcomes over three environments by ten clients at once, while API, worker, signer, agents, Temporal and
 *       Postgres are killed with -9 (K times), paused and restarted at random. With --json standard output is
 *       {seed, promotions, faults: {kind: n}, violations: [], seconds}; a violation holds its promotion's timeline. The logs of a
 *       stack with violations are kept in FOLDER.
 *   --all [--shards N] [--report FILE] [--seed S] [--resume REPORT]
 *       kills worker, API and agent with -9 at every event position of the recorded histories; without --all a seeded sample. A run
 *       waits much (for the engine to notice the dead): N stacks beside each other share the positions. Prints {seed, positions,
 *       killed, reached, promotions, violations, repeated, seconds, runs}. With --resume only what an earlier report does not have, or what did not
 *       agree there.
 *
 * Progress goes to standard error; the status is 0 only when there is no violation.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAll } from '../build/build.mjs';
import { runChaos } from './fault-runs/run-chaos.mjs';
import { runEventKills } from './fault-runs/run-event-kills.mjs';

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    kills: { type: 'string' },
    logs: { type: 'string' },
    promotions: { type: 'string' },
    report: { type: 'string' },
    resume: { type: 'string' },
    seed: { type: 'string' },
    shards: { type: 'string', default: '1' },
  },
});
const isChaos = values.promotions !== undefined || values.kills !== undefined;
for (const problem of listProblems()) {
  console.error(problem);
  process.exitCode = 2;
}
if (process.exitCode === undefined) await run();

async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'));
  try {
    const { errors } = await buildAll();
    for (const error of errors) console.error(error);
    const isWhole = await (isChaos ? runChaos : runEventKills)(values, folder);
    process.exitCode = isWhole ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function listProblems() {
  const isWithin = (text, least, most) => /^\d+$/.test(text) && +text >= least && +text <= most;
  const limits = {
    promotions: [1, 10_000],
    kills: [1, 10_000],
    seed: [0, 4_294_967_295],
    shards: [1, 16],
  };
  const problems = Object.entries(limits)
    .filter(
      ([name, [least, most]]) => values[name] !== undefined && !isWithin(values[name], least, most),
    )
    .map(([name, [least, most]]) => `--${name}: write a whole number from ${least} to ${most}.`);
  if (isChaos && values.all) problems.push('--all goes with neither --promotions nor --kills.');
  return problems;
}
