import { beforeAll, expect, test } from '@jest/globals';
import type { RolloutLayout } from '@sluice/domain';
import type { StepResult } from '@sluice/temporal-contract';
import { WORKFLOWS } from '@sluice/temporal-contract';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import { layoutOf, verdict } from '../../../test/src/workflows/fake-rollout.ts';
import { playQuickly, type QuickCourse } from '../../../test/src/workflows/in-memory-course.ts';
import type { RunningWorkflow } from '../../../test/src/workflows/in-memory-types.ts';

type Settings = NonNullable<Parameters<typeof playQuickly>[2]>;

let bundle: WorkflowBundle;
beforeAll(async () => {
  bundle = await bundleSources();
});

const HOSTS = ['a', 'b', 'c', 'd'];
const STEPS = [
  step('plan', { type: 'plan@1' }),
  step('roll', { type: 'rollout@1', needs: ['plan'] }),
];
const GOOD: StepResult = { outcome: 'succeeded', outputs: {}, reason: null };
const CANARY = layoutOf([1, 4], { strategy: 'canary', router: 'edge' }, (at) => ({
  soakSeconds: 30,
  gate: at > 0,
}));

const play = (settings: Settings, layout: RolloutLayout = CANARY): Promise<QuickCourse> =>
  playQuickly(bundle, STEPS, {
    members: { roll: HOSTS },
    rollouts: { roll: layout },
    ...settings,
    rules: { targets: HOSTS, ...settings.rules },
  });

const forever = (): Promise<never> => new Promise(() => undefined);

/** Does something where a rollout is just doing this. */
function at(place: string, act: (running: RunningWorkflow) => void): Settings {
  let running: RunningWorkflow | undefined;
  const stop = (): Promise<never> => {
    if (running !== undefined) act(running);
    return forever();
  };
  return {
    meanwhile: (one) => {
      running = one;
    },
    steps: { roll: async ({ target }) => (place === 'deploy' && target === 'b' ? stop() : GOOD) },
    route: async (to) => (to.kind === place && 'stage' in to && to.stage === 1 ? stop() : null),
    gate: async () => (place === 'gate' ? stop() : null),
    watch: async (stage) => {
      if (place === 'paused') return verdict('inconclusive', 'too-few-samples');
      return place === 'watch' && stage === 1 ? stop() : 'pass';
    },
    onRecord: async ({ state }) => {
      if (place === 'paused' && state === 'paused' && running !== undefined) act(running);
    },
  };
}

const PLACES = ['prepare', 'deploy', 'stage', 'watch', 'gate', 'paused'];

test.each(PLACES)(
  'cancelled at %s: requests first, then the targets, then as before',
  async (place) => {
    const played = at(place, (running) => {
      running.signal('cancelPromotion', { requestedBy: 'principal:mia', reason: 'a test' });
    });
    const { result, records } = await play(played);
    expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'promotion-cancelled' } });
    expect(records.positions.at(-1)).toMatch(/^cancelled . \w+ promotion-cancelled$/);
    const after = records.journal.slice(records.journal.findIndex((line) => line.includes('off')));
    expect(after[0]).toMatch(/^route off-\d succeeded$/);
    expect(after.at(-1)).toBe('route restore succeeded');
    expect(after.filter((line) => line.startsWith('revert')).at(-1)).toBe('revert a succeeded');
  },
);

test.each(PLACES)('superseded at %s: whatever is there is the rollback’s', async (place) => {
  const played = at(place, (running) => running.signal('supersedePromotion', { by: 'dev/2' }));
  const { result, records } = await play(played);
  expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'superseded' } });
  expect(records.journal.filter((line) => /off|restore|revert/.test(line))).toEqual([]);
  expect(records.positions.at(-1)).toMatch(/^cancelled . \w+ superseded$/);
});

test('a pause that nobody ends puts back what was deployed, and nothing further begins', async () => {
  const { result, records } = await play(
    {
      watch: async () => forever(),
      rules: { targets: HOSTS },
      onRecord: async () => undefined,
      meanwhile: () => undefined,
      gate: async () => forever(),
    },
    layoutOf([1, 4], {}, () => ({ soakSeconds: 0, pause: true })),
  );
  // Paused before the second stage, and nobody resumes.
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'rollout-pause-expired' } });
  expect(records.journal).toEqual(['deploy a succeeded', 'revert a succeeded']);
});

test('requests that could not be taken off are told, and the targets are put back all the same', async () => {
  const { result, records } = await play({
    watch: async () => verdict('fail', 'errors-rose'),
    route: async ({ kind }) => (kind === 'off' ? unsuccessful('failed', 'router-down') : null),
  });
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'errors-rose' } });
  expect(result.reason?.message).toContain('Requests could not be taken off');
  expect(records.journal.slice(-3)).toEqual([
    'route off-1 failed',
    'revert a succeeded',
    'route restore succeeded',
  ]);
});

test('requests stay off what could not be put back', async () => {
  const { result, records } = await play({
    watch: async () => verdict('fail', 'errors-rose'),
    revert: async () => unsuccessful('failed', 'no-answer'),
  });
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'compensation-failed' } });
  expect(records.journal.at(-1)).toBe('revert a failed');
});

test('a router that does not take its table back needs a person', async () => {
  const { result } = await play({
    watch: async () => verdict('fail', 'errors-rose'),
    route: async ({ kind }) => (kind === 'restore' ? unsuccessful('failed', 'router-down') : null),
  });
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'compensation-failed' } });
  expect(result.reason?.message).toContain('router edge');
});

test('blue and green: deployed, switched, retired', async () => {
  const layout = layoutOf([2, 2, 4], { strategy: 'blue-green', router: 'edge' }, (index) => ({
    canaryPermille: index === 0 ? 0 : 1000,
    maxParallel: 1,
  }));
  const { result, records } = await play({}, layout);
  expect(result.state).toBe('succeeded');
  expect(records.journal).toEqual([
    'route prepare-0 succeeded',
    'deploy a succeeded',
    'deploy b succeeded',
    'route stage-0 succeeded',
    'route stage-1 succeeded',
    'route prepare-2 succeeded',
    'deploy c succeeded',
    'deploy d succeeded',
    'route stage-2 succeeded',
    'route final succeeded',
  ]);
});

test('1,000 targets in ten waves stay far below what a history may have', async () => {
  const targets = Array.from({ length: 1000 }, (_, index) => `host-${index}`);
  const reach = Array.from({ length: 10 }, (_, index) => (index + 1) * 100);
  const { result, records, runs } = await playQuickly(bundle, STEPS, {
    members: { roll: targets },
    rollouts: { roll: layoutOf(reach, {}, (index) => ({ soakSeconds: 60, gate: index > 0 })) },
    rules: { targets },
  });
  expect(result.state).toBe('succeeded');
  expect(records.members.size).toBe(1000);
  const most = (type: string): number =>
    Math.max(...runs.filter((run) => run.type === type).map(({ events }) => events));
  console.info(
    `1,000 targets in ten waves: ${most(WORKFLOWS.promoteRelease)} events in the promotion, ${most(WORKFLOWS.runShard)} in the longest shard`,
  );
  expect(most(WORKFLOWS.promoteRelease)).toBeLessThan(2000);
  expect(most(WORKFLOWS.runShard)).toBeLessThan(2000);
}, 120_000);
