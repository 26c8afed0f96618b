import { beforeAll, expect, test } from '@jest/globals';
import { STEER_ROLLOUT, type StepResult, WORKFLOWS } from '@sluice/temporal-contract';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import { layoutOf, steer } from '../../../test/src/workflows/fake-rollout.ts';
import { playQuickly, type QuickCourse } from '../../../test/src/workflows/in-memory-course.ts';
import type { RunningWorkflow } from '../../../test/src/workflows/in-memory-types.ts';
import { createPoint, pause } from '../../../test/src/workflows/waiting.ts';

type Settings = NonNullable<Parameters<typeof playQuickly>[2]>;

let bundle: WorkflowBundle;
beforeAll(async () => {
  bundle = await bundleSources();
});

const GOOD: StepResult = { outcome: 'succeeded', outputs: {}, reason: null };
const HOSTS = Array.from({ length: 450 }, (_, at) => `host-${String(at).padStart(3, '0')}`);
const LAYOUT = layoutOf([10, 450], {}, () => ({ maxParallel: 100 }));

const play = (settings: Settings): Promise<QuickCourse> =>
  playQuickly(
    bundle,
    [step('plan', { type: 'plan@1' }), step('roll', { type: 'rollout@1', needs: ['plan'] })],
    {
      members: { roll: HOSTS },
      rollouts: { roll: LAYOUT },
      ...settings,
      rules: { targets: HOSTS },
    },
  );

const shards = ({ runs }: QuickCourse): number =>
  runs.filter(({ type }) => type === WORKFLOWS.runShard).length;

test('a pause stops shards, and what they left runs in others, each target once', async () => {
  let running: RunningWorkflow | undefined;
  let stood = 0;
  const deployed: string[] = [];
  let tellPaused = (): void => undefined;
  const hasPaused = new Promise<void>((resolve) => {
    tellPaused = resolve;
  });
  const played = await play({
    meanwhile: (one) => {
      running = one;
    },
    steps: {
      roll: async ({ target = '' }) => {
        if (target === 'host-060') void running?.update('p', STEER_ROLLOUT, steer('pause'));
        // Who begins after that ends only once the word has come to the shards.
        if (target > 'host-060') await hasPaused;
        deployed.push(target);
        return GOOD;
      },
    },
    onRecord: async ({ state }) => {
      if (state !== 'paused') return;
      tellPaused();
      // Until those that run have ended: nothing else is under way then.
      for (let before = -1; before !== deployed.length; await pause(200)) before = deployed.length;
      stood = deployed.length;
      void running?.update('r', STEER_ROLLOUT, steer('resume'));
    },
  });
  expect(played.result.state).toBe('succeeded');
  expect(stood).toBeGreaterThan(59);
  expect(stood).toBeLessThan(450);
  expect([...deployed].sort()).toEqual(HOSTS);
  expect([...played.records.members.values()].every((state) => state === 'succeeded')).toBe(true);
  expect(shards(played)).toBeGreaterThan(4);
}, 60_000);

test('a failure stops all, the rest is told, and who was new last goes back first', async () => {
  const played = await play({
    steps: {
      roll: async ({ target }) =>
        target === 'host-050' ? unsuccessful('failed', 'disk-full') : GOOD,
    },
  });
  const { result, records } = played;
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'disk-full' } });
  const reverted = records.journal.filter((line) => line.startsWith('revert'));
  const deployed = records.journal.filter((line) => line.startsWith('deploy'));
  expect(reverted.length).toBe(deployed.length);
  expect(deployed.length).toBeLessThan(450);
  expect(reverted[0]).not.toBe('revert host-000 succeeded');
  expect(reverted.at(-1)).toBe('revert host-000 succeeded');
  expect(records.members.size).toBe(450);
  expect(records.members.get('roll/host-449')).toBe('skipped');
}, 60_000);

test('an abort and a cancellation reach every shard', async () => {
  for (const how of ['abort', 'cancel'] as const) {
    let running: RunningWorkflow | undefined;
    const { result, records } = await play({
      meanwhile: (one) => {
        running = one;
      },
      steps: {
        roll: async ({ target }) => {
          if (target !== 'host-050') return GOOD;
          if (how === 'abort') void running?.update('a', STEER_ROLLOUT, steer('abort'));
          else running?.signal('cancelPromotion', { requestedBy: 'principal:mia', reason: '' });
          return new Promise(() => undefined);
        },
      },
    });
    const state = how === 'abort' ? 'reverted' : 'cancelled';
    expect(result).toMatchObject({ state });
    expect(records.members.get('roll/host-050')).toBe('cancelled');
    expect(records.members.size).toBe(450);
    expect(records.journal.at(-1)).toBe('revert host-000 succeeded');
  }
}, 60_000);

test('a shard that is just being started when another one fails hears of it', async () => {
  const together = createPoint();
  const { result, records } = await play({
    rollouts: { roll: layoutOf([450], {}, () => ({ maxParallel: 100 })) },
    steps: {
      roll: async ({ target }) => {
        if (target === 'host-199') {
          await pause(500);
          together.reach();
          return GOOD;
        }
        if (target !== 'host-200') return GOOD;
        await together.reached;
        await Promise.resolve();
        return unsuccessful('failed', 'disk-full');
      },
    },
  });
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'disk-full' } });
  expect(records.journal.filter((line) => line.startsWith('deploy host-4'))).toEqual([]);
  expect(records.members.get('roll/host-449')).toBe('skipped');
}, 60_000);
