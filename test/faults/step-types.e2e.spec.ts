import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type JudgedStory, judgeRound, judgeTour } from '../support/step-types/judge-stories.ts';
import { playRound, type Tour } from '../support/step-types/play-round.ts';
import { openStepStage } from '../support/step-types/step-stage.ts';
import { allRounds, namedRounds, sampleRounds } from '../support/step-types/step-stories.ts';

/**
 * A fault in the middle of a step of each type, on a stack of real processes: what works there is killed with -9, or the promotion is
 * cancelled. A seeded sample here, every type with every fault with SLUICE_STEP_TYPES=all (`npm run test:faults -- --step-types`).
 */
const ALL = process.env['SLUICE_STEP_TYPES'] === 'all';
const SEED = Number(process.env['SLUICE_FAULT_SEED'] ?? 20261122);
/** Where the report is written, anew after each round. */
const REPORT = process.env['SLUICE_FAULTS_REPORT'];
/** Names, with commas between them, of what alone is wanted. */
const ONLY = process.env['SLUICE_STEP_TYPES_ONLY'];

const rounds =
  ONLY === undefined ? (ALL ? allRounds() : sampleRounds(SEED)) : namedRounds(ONLY.split(','));
const promotions = rounds.reduce((sum, { stories }) => sum + stories.length, 0);

let tour: Tour;
const judged: JudgedStory[] = [];

beforeAll(async () => {
  const stage = await openStepStage([...new Set(rounds.flatMap(({ stories }) => stories))]);
  const startedAt = Date.now();
  tour = {
    stage,
    turns: new Map(),
    workers: new Map([[stage.made.stack.getPid('worker'), true]]),
    say: (line) => {
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
      if (ALL) process.stderr.write(`step types ${seconds} s: ${line}\n`);
    },
  };
}, 300_000);

afterAll(async () => {
  await tour?.stage.remove();
}, 120_000);

test(
  `${promotions} promotions, ${ALL ? 'every step type with every fault' : `seed ${SEED}`}: each ends in a state that is right and told`,
  async () => {
    const startedAt = Date.now();
    const whole: string[] = [];
    for (const round of rounds) {
      const played = await playRound(tour, round);
      const found = await judgeRound(tour, played, ALL);
      judged.push(...found);
      for (const { story, problems } of found) {
        if (problems.length > 0) tour.say(`${story}, ${round.fault}: ${problems.join('; ')}`);
      }
      if (REPORT !== undefined) await writeReport(REPORT, whole, startedAt);
    }
    whole.push(
      ...(await judgeTour(
        tour,
        judged.map(({ promotion }) => promotion),
      )),
    );
    if (REPORT !== undefined) await writeReport(REPORT, whole, startedAt);
    expect(judged.filter(({ problems }) => problems.length > 0)).toEqual([]);
    expect(whole).toEqual([]);
    expect(judged).toHaveLength(promotions);
  },
  ALL ? 3600_000 : 600_000,
);

async function writeReport(
  file: string,
  whole: readonly string[],
  startedAt: number,
): Promise<void> {
  const document = {
    types: [...new Set(judged.map(({ type }) => type))].length,
    promotions: judged.length,
    violations: [
      ...judged.filter(({ problems }) => problems.length > 0),
      ...(whole.length > 0 ? [{ story: 'the whole', problems: whole }] : []),
    ],
    seconds: Math.round((Date.now() - startedAt) / 1000),
    runs: judged.map(({ problems: _, promotion: __, ...run }) => run),
  };
  await writeFile(file, `${JSON.stringify(document)}\n`);
}
