import { expect, test } from '@jest/globals';
import type { RolloutRecord, RolloutSteerRecord } from '@sluice/persistence';
import { stageStateOf } from './stage-state.ts';

const rollout = (at: Partial<RolloutRecord>) =>
  ({ stepId: 'roll', round: 1, state: 'running', stage: 1, phase: 'soak', ...at }) as RolloutRecord;
const steer = (action: string, stage: number, more: object = {}) =>
  ({
    stepId: 'roll',
    round: 1,
    state: 'recorded',
    action,
    stage,
    ...more,
  }) as RolloutSteerRecord;
const statesOf = (at: Partial<RolloutRecord>, steers: readonly RolloutSteerRecord[] = []) =>
  [0, 1, 2].map((index) => stageStateOf(rollout(at), steers, index));

test.each<readonly [Partial<RolloutRecord>, readonly string[]]>([
  [{}, ['held', 'running', 'pending']],
  [{ state: 'paused' }, ['held', 'running', 'pending']],
  [{ state: 'paused', phase: 'held' }, ['held', 'held', 'pending']],
  [{ state: 'failed' }, ['held', 'failed', 'skipped']],
  [{ state: 'aborted', stage: 0 }, ['failed', 'skipped', 'skipped']],
  [{ state: 'cancelled', stage: 2 }, ['held', 'held', 'failed']],
  [{ state: 'completed', stage: 2 }, ['held', 'held', 'held']],
])('of %j the stages are %j', (at, states) => {
  expect(statesOf(at)).toEqual(states);
});

test('what a person skipped, or promoted past, was not watched to its end', () => {
  expect(statesOf({}, [steer('skip', 0)])).toEqual(['skipped', 'running', 'pending']);
  expect(statesOf({ state: 'completed', stage: 2 }, [steer('promote', 1)])).toEqual([
    'held',
    'skipped',
    'skipped',
  ]);
});

test('what was refused, or met another rollout, skips nothing', () => {
  const others = [
    steer('skip', 0, { state: 'refused', stage: null }),
    steer('skip', 0, { round: 2 }),
    steer('promote', 0, { stepId: 'other' }),
    steer('pause', 0),
  ];
  expect(statesOf({}, others)).toEqual(['held', 'running', 'pending']);
});
