import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findDisagreements } from '../support/agreement.ts';
import { approve } from '../support/deciders.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { connectEngine, killAtEvent } from '../support/event-kills/kill-at-event.ts';
import { type KillCase, listKillCases, sampleCases } from '../support/event-kills/kill-cases.ts';
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
/** Promotions that run beside each other: a killed worker or API interrupts all of them. */
const LANES = Array.from({ length: ALL ? 6 : 3 }, (_, index) => `lane-${index + 1}`);

interface Judged extends KillCase {
  readonly promotion: string;
  /** Events when the process was killed. */
  readonly killedAt: number;
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
      deadlines: { verifySeconds: 8 },
    })),
    targets: LANES.map((environment) => ({ name: `host-${environment}`, environment })),
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
    const cases = await listKillCases();
    const queue = [...(ALL ? cases : sampleCases(cases, SAMPLE, SEED))];
    const engine = await connectEngine(made.stack);
    const turns = new Turns();
    const judged: Judged[] = [];
    const startedAt = Date.now();
    const lane = async (environment: string): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const stage = stages.get(environment) as Stage;
        const promotion = await beginStory(stage, next.story);
        const part = next.victim === 'agent' ? `agent-${stage.target}` : next.victim;
        const killed = killAtEvent(made.stack, engine, turns, {
          promotion,
          event: next.event,
          part,
        });
        const ended = await endStory(stage, next.story, promotion);
        const killedAt = await killed;
        judged.push({
          ...next,
          promotion,
          killedAt,
          state: ended.state,
          problems: await judge(stage, next, promotion),
        });
        if (ALL) showProgress(judged, cases.length, startedAt);
      }
    };
    await Promise.all(LANES.map(lane));
    await engine.connection.close();
    const violations = judged.filter(({ problems }) => problems.length > 0);
    const report = process.env['SLUICE_FAULTS_REPORT'];
    if (report !== undefined) {
      const seconds = Math.round((Date.now() - startedAt) / 1000);
      const document = { seed: SEED, cases: judged.length, violations, seconds };
      await writeFile(report, `${JSON.stringify(document, null, 2)}\n`);
    }
    expect(violations).toEqual([]);
    expect(judged.length).toBe(ALL ? cases.length : SAMPLE);
  },
  ALL ? 4 * 3600_000 : 900_000,
);

function showProgress(judged: readonly Judged[], all: number, startedAt: number): void {
  const last = judged.at(-1);
  const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
  const verdict = last?.problems.length === 0 ? 'agreed' : last?.problems.join('; ');
  process.stderr.write(
    `${judged.length}/${all} after ${minutes} min: ${last?.victim} at event ${last?.event} of ${last?.story}: ${verdict}\n`,
  );
}

async function judge(stage: Stage, one: KillCase, id: string): Promise<readonly string[]> {
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
