import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { digestOf } from '@sluice/pure';
import type { FakeControlPlane } from './fake-control-plane.ts';
import { ProcessBench } from './process-bench.ts';

/**
 * An old command that is interrupted by a newer one with a higher fencing token, and the agent killed with -9
 * at each stage of both. The images are on the host already, so that only the order is what is looked at.
 */
let bench: ProcessBench;
let plane: FakeControlPlane;
let token = 1;

const FETCHED = ['accepted', 'fetching', 'fetched'];
const GOOD = [...FETCHED, 'activating', 'activated', 'confirmed'];

beforeAll(async () => {
  bench = await ProcessBench.make(4);
  ({ plane } = bench);
  await bench.start();
  for (const tag of ['2', '3', '1']) await settle(tag);
}, 180_000);

afterAll(() => bench.remove());

async function settle(tag: string): Promise<void> {
  const { sequence } = plane.dispatch(bench.payloadOf(tag), { fencingToken: token });
  expect(await plane.finalReport(sequence)).toMatchObject({ stage: 'confirmed' });
}

/** Version 2 starts but is never well, and is not given up for minutes. */
function dispatchOld() {
  const payload = bench.payloadOf('2', { MODE: 'sick' });
  const health = { ...payload.health, failures: 5000 };
  return plane.dispatch({ ...payload, health }, { fencingToken: token });
}

function dispatchNew() {
  token += 1;
  return plane.dispatch(bench.payloadOf('3'), { fencingToken: token });
}

async function hasStage(sequence: number, stage: string): Promise<boolean> {
  return (await bench.stagesInJournal(sequence)).includes(stage);
}

async function expectNewerRuns(old: number, next: number, before: number): Promise<void> {
  const outcome = await plane.finalReport(old, 40_000);
  expect(outcome.failure).toEqual({ code: 'superseded', message: expect.any(String) });
  expect(outcome.activeRelease).toBe(digestOf('1'));
  expect(await plane.finalReport(next, 40_000)).toMatchObject({
    stage: 'confirmed',
    failure: null,
    activeRelease: digestOf('3'),
  });
  expect(await bench.version()).toBe('3');
  const sticker = JSON.parse(
    await readFile(join(bench.stateDir, 'current/sluice.version.json'), 'utf8'),
  );
  expect(sticker.release.version).toBe('3');
  expect(await bench.stagesInJournal(next)).toEqual(GOOD);
  const stages = await bench.stagesInJournal(old);
  expect(new Set(stages).size).toBe(stages.length);
  // Reported is what the journal says, each once, with its end.
  const reported = stages.filter((stage) => !stage.endsWith('ing'));
  expect(plane.stagesOf(old)).toEqual(reported);
  expect(plane.stagesOf(next)).toEqual(GOOD.filter((stage) => !stage.endsWith('ing')));
  const ends = (await bench.journal()).filter(({ stage }) =>
    ['confirmed', 'reverted', 'refused'].includes(stage),
  );
  expect(ends.slice(-2).map(({ sequence }) => sequence)).toEqual([old, next]);
  // A version that was switched to was started once; what was put back, once.
  const started = (await bench.starts()).slice(before);
  expect(started.filter((tag) => tag === '3')).toEqual(['3']);
  expect(started.filter((tag) => tag === '2').length).toBeLessThanOrEqual(1);
  expect(started.at(-1)).toBe('3');
}

async function backToOne(): Promise<number> {
  await bench.stop('SIGKILL');
  await bench.start();
  await settle('1');
  return (await bench.starts()).length;
}

describe('killed with -9, the newer command having been accepted', () => {
  test.each([
    'accepted',
    'fetching',
    'fetched',
    'activating',
    'stopped',
    'switched',
    'started',
    'activated',
  ])(
    'when the old one stands at "%s"',
    async (stage) => {
      const before = await backToOne();
      let [old, next] = [0, 0];
      // The driver's points have no sequence, and only the old command comes to them.
      const isDriverPoint = ['stopped', 'switched', 'started'].includes(stage);
      const number = (plane.deliveries.at(-1)?.sequence ?? 0) + 1;
      await bench.killAt(isDriverPoint ? stage : `${stage}@${number}`, async () => {
        old = dispatchOld().sequence;
        if (stage === 'accepted') return;
        await bench.until('the old one is there', () =>
          hasStage(old, isDriverPoint ? 'activating' : stage),
        );
        next = dispatchNew().sequence;
        await bench.until('the newer one is accepted', () => hasStage(next, 'accepted'));
      });
      // What the agent had no time to take comes when it is back.
      if (stage === 'accepted') next = dispatchNew().sequence;
      await bench.start();
      await expectNewerRuns(old, next, before);
      const begun = isDriverPoint || stage.startsWith('activat');
      expect((await bench.stagesInJournal(old)).at(-1)).toBe(begun ? 'reverted' : 'refused');
    },
    90_000,
  );

  test.each(['reverting', 'reverted', 'refused'])(
    'when the old one, interrupted, stands at "%s"',
    async (stage) => {
      const before = await backToOne();
      let [old, next] = [0, 0];
      const number = (plane.deliveries.at(-1)?.sequence ?? 0) + 1;
      await bench.killAt(`${stage}@${number}`, async () => {
        if (stage === 'refused') plane.holdsBlobs = true;
        old = (stage === 'refused' ? dispatchUnknown() : dispatchOld()).sequence;
        const at = stage === 'refused' ? 'fetching' : 'activated';
        await bench.until('the old one works', () => hasStage(old, at));
        next = dispatchNew().sequence;
      });
      plane.holdsBlobs = false;
      await bench.start();
      await expectNewerRuns(old, next, before);
      expect((await bench.stagesInJournal(old)).at(-1)).toBe(
        stage === 'refused' ? 'refused' : 'reverted',
      );
    },
    90_000,
  );

  test.each(GOOD)(
    'when it stands itself at "%s"',
    async (stage) => {
      const before = await backToOne();
      let [old, next] = [0, 0];
      const number = (plane.deliveries.at(-1)?.sequence ?? 0) + 2;
      await bench.killAt(`${stage}@${number}`, async () => {
        old = dispatchOld().sequence;
        await bench.until('the old one is activated', () => hasStage(old, 'activated'));
        next = dispatchNew().sequence;
      });
      await bench.start();
      await expectNewerRuns(old, next, before);
    },
    90_000,
  );
});

/** Its image is not on the host. */
function dispatchUnknown() {
  return plane.dispatch(bench.payloadOf('4'), { fencingToken: token });
}
