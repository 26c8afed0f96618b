import { generateKeyPairSync } from 'node:crypto';
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
const SAMPLE = 25;
/**
 * Promotions that run beside each other, one for each process that is killed: two that killed the worker in turn would leave
 * it no time to do anything.
 */
const LANES: Readonly<Record<string, Victim>> = {
  'lane-1': 'worker',
  'lane-2': 'api',
  'lane-3': 'agent',
};

/** Kills in the course of one promotion, at most. */
const KILLS_A_RUN = 8;

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
    environments: Object.keys(LANES).map((name, position) => ({
      name,
      position,
      after: [],
      pipeline: 'approved' as const,
      approval: { roles: ['approver'] as const },
      deadlines: { verifySeconds: 8 },
    })),
    targets: Object.keys(LANES).map((environment) => ({
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
  for (const environment of Object.keys(LANES)) {
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
    const cases = ALL ? all : sampleCases(all, SAMPLE, SEED);
    const runs = groupIntoRuns(cases, KILLS_A_RUN);
    const engine = await connectEngine(made.stack);
    const turns = new Turns();
    const judged: Judged[] = [];
    const startedAt = Date.now();
    const lane = async ([environment, victim]: [string, Victim]): Promise<void> => {
      const stage = stages.get(environment) as Stage;
      for (const one of runs.filter((run) => run.victim === victim)) {
        judged.push(await runOne(stage, one));
        if (ALL) showProgress(judged, cases.length, startedAt);
      }
    };
    const runOne = async (stage: Stage, one: KillRun): Promise<Judged> => {
      const promotion = await beginStory(stage, one.story);
      const part = one.victim === 'agent' ? `agent-${stage.target}` : one.victim;
      const killing = killAtEvents(made.stack, engine, turns, { promotion, part, ...one });
      const { state } = await endStory(stage, one.story, promotion);
      const reached = await killing;
      return { ...one, promotion, reached, state, problems: await judge(stage, one, promotion) };
    };
    await Promise.all(Object.entries(LANES).map(lane));
    await engine.connection.close();
    const violations = judged.filter(({ problems }) => problems.length > 0);
    const report = process.env['SLUICE_FAULTS_REPORT'];
    if (report !== undefined) await writeReport(report, judged, cases.length, startedAt);
    expect(violations).toEqual([]);
    expect(countEvents(judged)).toBe(cases.length);
  },
  ALL ? 4 * 3600_000 : 900_000,
);

function countEvents(judged: readonly Judged[]): number {
  return judged.reduce((sum, { events }) => sum + events.length, 0);
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
