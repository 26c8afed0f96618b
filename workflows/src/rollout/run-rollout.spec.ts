import { beforeAll, describe, expect, test } from '@jest/globals';
import type { RolloutLayout } from '@sluice/domain';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import { layoutOf, verdict } from '../../../test/src/workflows/fake-rollout.ts';
import { playQuickly, type QuickCourse } from '../../../test/src/workflows/in-memory-course.ts';

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

const play = (layout: RolloutLayout, settings: Settings = {}): Promise<QuickCourse> =>
  playQuickly(bundle, STEPS, {
    members: { roll: HOSTS },
    rollouts: { roll: layout },
    ...settings,
    rules: { targets: HOSTS, ...settings.rules },
  });

const CANARY = layoutOf([1, 2, 4], { strategy: 'canary', router: 'edge' }, () => ({
  soakSeconds: 30,
}));

describe('what holds', () => {
  test('waves: one after the other, each deployed, watched and held', async () => {
    const { result, records } = await play(layoutOf([1, 4], {}, () => ({ soakSeconds: 5 })));
    expect(result).toMatchObject({ state: 'succeeded', reason: null });
    expect(records.journal.slice(0, 1)).toEqual(['deploy a succeeded']);
    expect([...records.journal].sort()).toEqual(HOSTS.map((host) => `deploy ${host} succeeded`));
    expect(records.positions).toEqual([
      'running 0 deploy',
      'running 0 soak',
      'running 0 held',
      'running 1 deploy',
      'running 1 soak',
      'running 1 held',
      'completed 1 held',
    ]);
  });

  test('a canary: targets leave before they are deployed to, and requests follow', async () => {
    const gated: number[] = [];
    const { result, records } = await play(
      layoutOf([1, 2, 4], { strategy: 'canary', router: 'edge' }, (at) => ({ gate: at > 0 })),
      {
        gate: async (at) => {
          gated.push(at);
          return null;
        },
      },
    );
    expect(result.state).toBe('succeeded');
    expect(gated).toEqual([1, 2]);
    expect(records.journal.filter((line) => !/ [cd] /.test(line))).toEqual([
      'route prepare-0 succeeded',
      'deploy a succeeded',
      'route stage-0 succeeded',
      'route prepare-1 succeeded',
      'deploy b succeeded',
      'route stage-1 succeeded',
      'route prepare-2 succeeded',
      'route stage-2 succeeded',
      'route final succeeded',
    ]);
  });
});

describe('what does not hold', () => {
  test('a bad verdict: requests go first, then targets the last first, then all is as before', async () => {
    const { result, records, steps } = await play(CANARY, {
      watch: async (at) => (at === 1 ? verdict('fail', 'errors-rose') : 'pass'),
    });
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'errors-rose' } });
    expect(steps).toMatchObject({ roll: 'reverted errors-rose' });
    expect(records.journal).toEqual([
      'route prepare-0 succeeded',
      'deploy a succeeded',
      'route stage-0 succeeded',
      'route prepare-1 succeeded',
      'deploy b succeeded',
      'route stage-1 succeeded',
      'route off-2 succeeded',
      'revert b succeeded',
      'revert a succeeded',
      'route restore succeeded',
    ]);
    expect(records.positions.at(-1)).toBe('failed 1 soak errors-rose');
    expect(records.members.get('roll/c')).toBe('skipped');
  });

  test('a target that fails stops its stage', async () => {
    const { result, records } = await play(
      layoutOf([1, 4], {}, () => ({ maxParallel: 1 })),
      {
        steps: {
          roll: async ({ target }) =>
            target === 'b'
              ? unsuccessful('failed', 'disk-full')
              : { outcome: 'succeeded', outputs: {}, reason: null },
        },
      },
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'disk-full' } });
    expect(records.journal).toEqual([
      'deploy a succeeded',
      'deploy b failed',
      'revert b succeeded',
      'revert a succeeded',
    ]);
    expect(records.members.get('roll/d')).toBe('skipped');
  });

  test('a policy that says no before a stage', async () => {
    const { result, records } = await play(
      layoutOf([1, 4], {}, (at) => ({ gate: at > 0 })),
      {
        gate: async () => unsuccessful('denied', 'findings-critical'),
      },
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'findings-critical' } });
    expect(records.journal).toEqual(['deploy a succeeded', 'revert a succeeded']);
  });

  test('a router that does not answer', async () => {
    const { result, records } = await play(CANARY, {
      route: async ({ kind }) => (kind === 'stage' ? unsuccessful('failed', 'router-down') : null),
    });
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'router-down' } });
    expect(records.journal.slice(-3)).toEqual([
      'route off-1 succeeded',
      'revert a succeeded',
      'route restore succeeded',
    ]);
  });
});

test('a plan that every target refuses is made again, with requests as before', async () => {
  const { result, records } = await play(layoutOf([1, 4], { strategy: 'canary', router: 'edge' }), {
    steps: {
      roll: async ({ round }) =>
        round === undefined
          ? unsuccessful('failed', 'plan-stale')
          : { outcome: 'succeeded', outputs: {}, reason: null },
    },
  });
  expect(result).toMatchObject({ state: 'succeeded', reason: null });
  expect(records.journal.slice(0, 4)).toEqual([
    'route prepare-0 succeeded',
    'deploy a failed',
    'route off-1 succeeded',
    'route restore succeeded',
  ]);
  expect(records.journal.at(-1)).toBe('route final succeeded');
  expect(records.positions).toContain('failed 0 deploy plan-stale');
});
