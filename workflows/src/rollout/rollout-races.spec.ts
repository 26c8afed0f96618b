import { beforeAll, expect, test } from '@jest/globals';
import type { RolloutAction, RolloutLayout } from '@sluice/domain';
import { STEER_ROLLOUT } from '@sluice/temporal-contract';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import { layoutOf, steer } from '../../../test/src/workflows/fake-rollout.ts';
import { playQuickly, type QuickCourse } from '../../../test/src/workflows/in-memory-course.ts';
import type { RunningWorkflow } from '../../../test/src/workflows/in-memory-types.ts';
import { pause } from '../../../test/src/workflows/waiting.ts';

let bundle: WorkflowBundle;
beforeAll(async () => {
  bundle = await bundleSources();
});

type Settings = NonNullable<Parameters<typeof playQuickly>[2]>;

const HOSTS = ['a', 'b', 'c', 'd'];
const STEPS = [
  step('plan', { type: 'plan@1' }),
  step('roll', { type: 'rollout@1', needs: ['plan'] }),
];
const CANARY = layoutOf([1, 4], { strategy: 'canary', router: 'edge' }, () => ({
  soakSeconds: 30,
}));

const play = (layout: RolloutLayout, settings: Settings): Promise<QuickCourse> =>
  playQuickly(bundle, STEPS, {
    members: { roll: HOSTS },
    rollouts: { roll: layout },
    ...settings,
    rules: { targets: HOSTS, ...settings.rules },
  });

/** Somebody acts while it is being recorded that the first stage comes to a phase. */
function actAt(phase: string, action: RolloutAction): Settings & { readonly looks: number[] } {
  let running: RunningWorkflow | undefined;
  let hasActed = false;
  const looks: number[] = [];
  return {
    looks,
    meanwhile: (one) => {
      running = one;
    },
    onRecord: async (at) => {
      if (hasActed || at.stage !== 0 || at.phase !== phase) return;
      hasActed = true;
      void running?.update('u-1', STEER_ROLLOUT, steer(action)).catch(() => undefined);
      await pause(200);
    },
    watch: async (stage) => {
      looks.push(stage);
      return 'pass';
    },
  };
}

const routesOf = ({ records }: QuickCourse): readonly string[] =>
  records.journal.filter((line) => line.startsWith('route'));

test('an abort while the change of requests is recorded: none goes forward any more', async () => {
  const played = await play(CANARY, actAt('traffic', 'abort'));
  expect(played.result).toMatchObject({ state: 'reverted', reason: { code: 'rollout-aborted' } });
  expect(routesOf(played)).toEqual([
    'route prepare-0 succeeded',
    'route off-1 succeeded',
    'route restore succeeded',
  ]);
});

test.each(['skip', 'promote'] as const)(
  'a %s while the watching is recorded: it is not begun',
  async (action) => {
    const settings = actAt('soak', action);
    const { result } = await play(CANARY, settings);
    expect(result.state).toBe('succeeded');
    expect(settings.looks).toEqual(action === 'skip' ? [1] : []);
  },
);

test('an abort while the watching is recorded: it is not begun', async () => {
  const settings = actAt('soak', 'abort');
  const { result } = await play(CANARY, settings);
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'rollout-aborted' } });
  expect(settings.looks).toEqual([]);
});

test('requests that did not move are moved when a person resumes, also of what was promoted', async () => {
  let running: RunningWorkflow | undefined;
  let tries = 0;
  const layout: RolloutLayout = { ...CANARY, onFail: 'pause' };
  const played = await play(layout, {
    meanwhile: (one) => {
      running = one;
    },
    watch: async () => {
      void running?.update('u-1', STEER_ROLLOUT, steer('promote')).catch(() => undefined);
      return new Promise(() => undefined);
    },
    route: async ({ kind }) => {
      if (kind !== 'final') return null;
      tries += 1;
      return tries === 1 ? unsuccessful('failed', 'router-down') : null;
    },
    onRecord: async ({ state }) => {
      if (state !== 'paused') return;
      void running?.update('u-2', STEER_ROLLOUT, steer('resume')).catch(() => undefined);
    },
  });
  expect(played.result.state).toBe('succeeded');
  expect(routesOf(played).slice(-2)).toEqual(['route final failed', 'route final succeeded']);
});

test('where failures pause, a plan that every target refuses is made again as well', async () => {
  let refusals = 0;
  const { result, records } = await play(
    { ...CANARY, onFail: 'pause' },
    {
      steps: {
        roll: async () => {
          refusals += 1;
          return refusals === 1
            ? unsuccessful('failed', 'plan-stale')
            : { outcome: 'succeeded', outputs: {}, reason: null };
        },
      },
    },
  );
  expect(result.state).toBe('succeeded');
  expect(records.positions).not.toContain('paused 0 deploy plan-stale');
});
