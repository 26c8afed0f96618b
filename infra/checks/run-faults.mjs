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
 *   --places
 *       brings each fault of the suites of which `npm test` takes a sample at each of its places: calls of the workflows, stages of an
 *       agent, transactions of a worker, engines stopped and killed. Prints the tests that passed and failed.
 *   --step-types [--all | --only NAMES] [--report FILE] [--seed S]
 *       a fault in the middle of a step of each type, on one stack: worker, engine, API, signer and agent killed with -9 where they act, and
 *       cancellations. Without --all the sample of `npm test`; NAMES of faults and types, with commas between them, are only these. Prints
 *       {types, promotions, violations, seconds, runs}.
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
import { runPlaces } from './fault-runs/run-places.mjs';
import { runStepTypes } from './fault-runs/run-step-types.mjs';

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    kills: { type: 'string' },
    logs: { type: 'string' },
    only: { type: 'string' },
    places: { type: 'boolean', default: false },
    promotions: { type: 'string' },
    report: { type: 'string' },
    resume: { type: 'string' },
    seed: { type: 'string' },
    shards: { type: 'string', default: '1' },
    'step-types': { type: 'boolean', default: false },
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
    const isWhole = await chooseRun()(values, folder);
    process.exitCode = isWhole ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function chooseRun() {
  if (values.places) return runPlaces;
  if (values['step-types']) return runStepTypes;
  return isChaos ? runChaos : runEventKills;
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
  if (values.places && (isChaos || values.all || values.seed !== undefined)) {
    problems.push('--places takes every place: it goes with no other choice.');
  }
  if (values['step-types'] && (isChaos || values.places || values.resume !== undefined)) {
    problems.push('--step-types goes with --all, --only, --report and --seed alone.');
  }
  if (values.only !== undefined && !values['step-types']) {
    problems.push('--only says which step types: it goes with --step-types.');
  }
  if (isChaos && values.all) problems.push('--all goes with neither --promotions nor --kills.');
  return problems;
}
