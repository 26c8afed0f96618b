import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findDisagreements } from '../support/agreement.ts';
import { approve } from '../support/deciders.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { connectEngine, killAtEvents } from '../support/event-kills/kill-at-event.ts';
import {
  groupIntoRuns,
  type KillRun,
  listKillCases,
  sampleCases,
  VICTIMS,
  type Victim,
} from '../support/event-kills/kill-cases.ts';
import { beginStory, ENDINGS, endStory, type Stage } from '../support/event-kills/stories.ts';
import { Turns } from '../support/event-kills/turns.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { StackClient } from '../support/stack-client.ts';

/**
 * Kill -9 of worker, API and agent at positions of the recorded histories: a seeded sample here, all of them with
 * SLUICE_EVENT_KILLS=all (`npm run test:faults -- --all`). Judged by journal, records, history and events.
 */
const ALL = process.env['SLUICE_EVENT_KILLS'] === 'all';
const SEED = Number(process.env['SLUICE_FAULT_SEED'] ?? 20261121);
/** Of six promotions, one for each story: each process is killed in two of them. */
const SAMPLE = 12;
/** `2/6`: of six that share all positions this is the second one, with a stack of its own. */
const [SHARD = 1, SHARDS = 1] = (process.env['SLUICE_FAULT_SHARD'] ?? '1/1').split('/').map(Number);
/** Written anew after each promotion: what there is when the run is interrupted counts. */
const REPORT = process.env['SLUICE_FAULTS_REPORT'];
/** File with the runs of earlier that agreed: they are not run again. */
const DONE = process.env['SLUICE_FAULTS_DONE'];
/**
 * All that verifies anew after a killed worker is first missed for the length of a heartbeat's timeout (20 s). In the sample
 * each lane's worker is killed for the sake of the others: there is room for two of these.
 */
const VERIFY_SECONDS = ALL ? 30 : 60;
const LANES = ['lane-1', 'lane-2', 'lane-3'];

/**
 * How a process's kills are laid out: promotions beside each other (two that killed the worker in turn would leave it no time
 * to do anything), and kills in the course of one promotion. Without its worker a history stands still, so that each position
 * is met; without API or agent it goes on, so few are asked of one run.
 */
const LAYOUT: Readonly<Record<Victim, { readonly lanes: number; readonly killsARun: number }>> = {
  worker: { lanes: 1, killsARun: 8 },
  api: { lanes: 2, killsARun: 2 },
  agent: { lanes: 3, killsARun: 2 },
};

interface Judged extends KillRun {
  readonly promotion: string;
  /** Positions that its run reached; a real run may be shorter than the recorded one. */
  readonly reached: readonly number[];
  readonly state: string;
  readonly problems: readonly string[];
}

let made: TestStack;
const stages = new Map<string, Stage>();

beforeAll(async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' });
  const leaking = serviceImage('1.1.0');
  made = await startTestStack({
    images: [
      serviceImage('1.0.0'),
      serviceImage('2.0.0'),
      { ...leaking, layers: [...leaking.layers, [{ path: 'id_rsa', content: Buffer.from(pem) }]] },
      serviceImage('3.0.0', 'unverifiable'),
    ],
    scannerMode: 'clean',
    environments: LANES.map((name, position) => ({
      name,
      position,
      after: [],
      pipeline: 'approved' as const,
      approval: { roles: ['approver'] as const },
      deadlines: { verifySeconds: VERIFY_SECONDS },
    })),
    targets: LANES.map((environment) => ({
      name: `host-${environment}`,
      environment,
    })),
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      { name: 'approver', role: 'approver' },
      { name: 'admin', role: 'admin' },
    ],
    env: { worker: { SLUICE_WATCHDOG_SECONDS: '2' } },
  });
  const { stack, client, scanner } = made;
  const leak = await client.release('1.1.0');
  await scanner.setModeOf(leak.image, 'real');
  const releases = {
    good: (await client.release('1.0.0')).id,
    better: (await client.release('2.0.0')).id,
    leaking: leak.id,
    unverifiable: (await client.release('3.0.0')).id,
  };
  const approver = new StackClient(stack, 'approver');
  const admin = new StackClient(stack, 'admin');
  for (const environment of LANES) {
    const target = `host-${environment}`;
    stages.set(environment, {
      stack,
      environment,
      target,
      manager: client,
      approver,
      admin,
      releases,
    });
    for (const release of [releases.good, releases.better]) {
      const id = await client.request(release, environment);
      await approve(approver, id);
      await client.untilSealed(id, 90);
    }
  }
}, 300_000);

afterAll(async () => {
  await made?.remove();
});

test(
  `kill -9 at ${ALL ? 'every event position' : `${SAMPLE} event positions, seed ${SEED}`}: all witnesses agree`,
  async () => {
    const all = await listKillCases();
    const isDone = readDone();
    const layouts = VICTIMS.map((victim) => {
      const sampled = ALL ? all : sampleCases(all, SAMPLE, SEED);
      const runs = groupIntoRuns(
        sampled.filter((one) => one.victim === victim),
        LAYOUT[victim].killsARun,
      ).filter((run) => !isDone(run));
      return { ...LAYOUT[victim], runs: runs.filter((_, turn) => turn % SHARDS === SHARD - 1) };
    });
    const positions = layouts.reduce((sum, { runs }) => sum + countEvents(runs), 0);
    const engine = await connectEngine(made.stack);
    const turns = new Turns();
    const judged: Judged[] = [];
    const startedAt = Date.now();
    const runOne = async (stage: Stage, one: KillRun): Promise<Judged> => {
      const promotion = await beginStory(stage, one.story);
      const part = one.victim === 'agent' ? `agent-${stage.target}` : one.victim;
      const killing = killAtEvents(made.stack, engine, turns, { promotion, part, ...one });
      const { state } = await endStory(stage, one.story, promotion);
      const reached = await killing;
      return { ...one, promotion, reached, state, problems: await judge(stage, one, promotion) };
    };
    const lane = async (environment: string, queue: KillRun[]): Promise<void> => {
      const stage = stages.get(environment) as Stage;
      for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
        const run = one;
        judged.push(
          await runOne(stage, run).catch((error: unknown) => ({
            ...run,
            promotion: '',
            reached: [],
            state: '',
            problems: [`could not be judged: ${String(error)}`],
          })),
        );
        if (ALL) showProgress(judged, positions, startedAt);
        if (REPORT !== undefined) await writeReport(REPORT, judged, positions, startedAt);
      }
    };
    const tell = async (
      { lanes, runs }: (typeof layouts)[number],
      first: number,
    ): Promise<void> => {
      const queue = [...runs];
      const mine = LANES.slice(first, first + lanes);
      await Promise.all(mine.map((environment) => lane(environment, queue)));
    };
    if (REPORT !== undefined) await writeReport(REPORT, judged, positions, startedAt);
    if (ALL) {
      // One kind of kill after the other: two kinds together would keep a run from standing at its position.
      for (const layout of layouts) await tell(layout, 0);
    } else {
      await Promise.all(layouts.map((layout, index) => tell({ ...layout, lanes: 1 }, index)));
    }
    await engine.connection.close();
    const violations = judged.filter(({ problems }) => problems.length > 0);
    expect(violations).toEqual([]);
    expect(countEvents(judged)).toBe(positions);
    if (!ALL && DONE === undefined) expect(positions).toBe(SAMPLE);
  },
  ALL ? 4 * 3600_000 : 900_000,
);

/** Which runs agreed earlier. */
function readDone(): (run: KillRun) => boolean {
  if (DONE === undefined) return () => false;
  const keyOf = ({ story, victim, events }: KillRun): string => `${story} ${victim} ${events}`;
  const done = new Set((JSON.parse(readFileSync(DONE, 'utf8')) as KillRun[]).map(keyOf));
  return (run) => done.has(keyOf(run));
}

function countEvents(runs: readonly KillRun[]): number {
  return runs.reduce((sum, { events }) => sum + events.length, 0);
}

async function writeReport(
  file: string,
  judged: readonly Judged[],
  positions: number,
  startedAt: number,
): Promise<void> {
  const document = {
    seed: SEED,
    positions,
    killed: countEvents(judged),
    reached: judged.reduce((sum, { reached }) => sum + reached.length, 0),
    promotions: judged.length,
    violations: judged.filter(({ problems }) => problems.length > 0),
    seconds: Math.round((Date.now() - startedAt) / 1000),
    runs: judged.map(({ story, victim, events, reached, state }) => ({
      story,
      victim,
      state,
      events,
      reached: reached.length,
    })),
  };
  await writeFile(file, `${JSON.stringify(document)}\n`);
}

function showProgress(judged: readonly Judged[], all: number, startedAt: number): void {
  const last = judged.at(-1);
  const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
  const verdict = last?.problems.length === 0 ? 'agreed' : last?.problems.join('; ');
  process.stderr.write(
    `${countEvents(judged)}/${all} after ${minutes} min: ${last?.victim} in ${last?.story}: ${verdict}\n`,
  );
}

async function judge(stage: Stage, one: KillRun, id: string): Promise<readonly string[]> {
  const promotion = await stage.manager.promotion(id);
  const problems = [...(await findDisagreements(stage.stack, promotion))];
  if (!ENDINGS[one.story].includes(promotion.state)) {
    problems.push(`it ended ${promotion.state} (${promotion.reason?.code})`);
  }
  const recorded = (await stage.manager.target(stage.target)).currentRelease;
  const answers = await findService(stage.stack.getServicePort(stage.target));
  if (answers?.version !== recorded?.version) {
    problems.push(`${answers?.version} answers, ${recorded?.version} is recorded`);
  }
  return problems;
}
