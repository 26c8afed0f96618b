import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { samplePlaces } from '../support/fault-sample.ts';
import { type RolloutWorld, startRolloutWorld, WEB } from '../support/rollouts/rollout-world.ts';

/** Good versions; each goes out after the other. */
const [FIRST, SECOND] = ['1.0.0', '1.3.1'] as const;
const BAD = '1.3.0';
const CASE_MS = 300_000;

let world: RolloutWorld;
let good: string = FIRST;

beforeAll(async () => {
  world = await startRolloutWorld();
}, 240_000);

afterAll(async () => {
  await world?.remove();
}, 120_000);

/** Every target, and whatever comes through the proxy, is of one version. */
async function expectEverywhere(version: string): Promise<void> {
  expect(await world.listAnswers()).toEqual(WEB.map(() => version));
  for (let request = 0; request < 20; request += 1) {
    const answer = await fetch(world.url);
    expect([answer.status, answer.headers.get('x-version')]).toEqual([200, version]);
  }
}

describe('a canary behind a real HAProxy', () => {
  test(
    'the first release has nothing to be compared with; a person has the rest of the watching skipped',
    async () => {
      const id = await world.begin(FIRST);
      await world.untilRollout(id, 'is watched', ({ phase }) => phase === 'SOAK');
      expect(await world.cli('rollout', 'skip', id, '--yes')).toMatchObject({ status: 0 });
      expect(await world.client.untilSealed(id, 120)).toMatchObject({ state: 'SUCCEEDED' });
      await expectEverywhere(FIRST);
    },
    CASE_MS,
  );

  test(
    'a bad version is caught while few requests see it: they and its target go back, and none is lost',
    async () => {
      const load = world.load();
      try {
        const id = await world.begin(BAD);
        expect(await world.client.untilSealed(id, 180)).toMatchObject({ state: 'REVERTED' });
        const { stages, state, routeChanges } = (await world.rollout(id)) ?? {};
        expect([state, stages?.map((stage) => stage.state)]).toEqual([
          'FAILED',
          ['FAILED', 'SKIPPED'],
        ]);
        expect(routeChanges?.filter((change) => change.state !== 'CONFIRMED')).toEqual([]);
        await expectEverywhere(FIRST);
      } finally {
        await load.stop();
      }
      const { total, versions } = load.record.span();
      expect(total.lost).toBe(0);
      const bad = versions[BAD]?.requests ?? 0;
      expect(bad).toBeGreaterThan(0);
      expect(bad / total.requests).toBeLessThan(0.2);
      // Errors are those of the bad version alone.
      expect(total.errors).toBe(versions[BAD]?.errors);
    },
    CASE_MS,
  );

  test(
    'a good one is paused and resumed by a person, and goes everywhere',
    async () => {
      const load = world.load();
      const id = await world.begin(SECOND);
      await world.untilRollout(id, 'is watched', ({ phase }) => phase === 'SOAK');
      expect(await world.cli('rollout', 'pause', id, '--comment', 'lunch')).toMatchObject({
        status: 0,
      });
      await world.untilRollout(id, 'is paused', ({ state }) => state === 'PAUSED');
      await sleep(2000);
      expect((await world.rollout(id))?.stage).toBe(0);
      expect(await world.cli('rollout', 'resume', id)).toMatchObject({ status: 0 });
      expect(await world.client.untilSealed(id, 180)).toMatchObject({ state: 'SUCCEEDED' });
      await load.stop();
      await expectEverywhere(SECOND);
      good = SECOND;
      expect(load.record.span().total).toMatchObject({ lost: 0, errors: 0 });
    },
    CASE_MS,
  );

  test(
    'what a person aborts is put back at once',
    async () => {
      const id = await world.begin(FIRST);
      await world.untilRollout(id, 'is watched', ({ phase }) => phase === 'SOAK');
      expect(await world.cli('rollout', 'abort', id, '--yes')).toMatchObject({ status: 0 });
      expect(await world.client.untilSealed(id, 120)).toMatchObject({ state: 'REVERTED' });
      expect((await world.rollout(id))?.state).toBe('ABORTED');
      await expectEverywhere(good);
    },
    CASE_MS,
  );
});

/** What is killed, and in which phase of the first stage. */
const KILLS = ['worker', 'api', 'signer', 'agent-web-1', 'agent-edge', 'proxy-edge'].flatMap(
  (part) => ['DEPLOY', 'TRAFFIC', 'SOAK'].map((phase) => ({ part, phase })),
);

describe('kill -9 in a wave of a bad version ends with all requests at the good one', () => {
  test.each(samplePlaces(KILLS, 1))(
    '$part in $phase',
    async ({ part, phase }) => {
      const { stack, client } = world;
      const id = await world.begin(BAD);
      // Short phases may be over when they are looked at: then it is the one after.
      await world.untilRollout(
        id,
        `is in ${phase}`,
        (rollout) => rollout.phase === phase || rollout.phase === 'SOAK',
      );
      await stack.kill(part);
      await sleep(1000);
      await stack.start(part);
      // Where too little was measured because of it, a person is asked, and has it watched again.
      const end = await world.untilRollout(
        id,
        'has ended, or asks a person',
        (rollout) => rollout.state !== 'RUNNING',
        150,
      );
      if (end.state === 'PAUSED') {
        expect(await world.cli('rollout', 'resume', id)).toMatchObject({ status: 0 });
      }
      const { state } = await client.untilSealed(id, 120);
      expect(['REVERTED', 'FAILED']).toContain(state);
      expect((await world.rollout(id))?.stages[1]?.state).toBe('SKIPPED');
      await expectEverywhere(good);
    },
    CASE_MS,
  );
});
