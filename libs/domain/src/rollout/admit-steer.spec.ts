import { expect, test } from '@jest/globals';
import { admitSteer, MAX_STEERS, type SteerFacts } from './admit-steer.ts';
import type { RolloutAction } from './rollout-layout.ts';

const RUNNING: SteerFacts = {
  stepId: 'roll',
  state: 'running',
  isReverting: false,
  isStuck: false,
  isPromoting: false,
  steers: 0,
};
const PAUSED: SteerFacts = { ...RUNNING, state: 'paused' };

const ask = (
  facts: SteerFacts | undefined,
  action: RolloutAction,
  role = 'admin' as const,
): string => {
  const answer = admitSteer(facts, { stepId: 'roll', action, role });
  return answer.ok ? 'ok' : answer.code;
};

test.each<[string, SteerFacts | undefined, string]>([
  ['running', RUNNING, 'ok rollout-not-paused ok ok ok'],
  ['paused', PAUSED, 'rollout-already-paused ok ok ok ok'],
  [
    'stuck',
    { ...PAUSED, isStuck: true },
    'rollout-stuck rollout-stuck rollout-stuck ok rollout-stuck',
  ],
  [
    'promoting',
    { ...RUNNING, isPromoting: true },
    'ok rollout-not-paused ok ok rollout-already-promoted',
  ],
  ['reverting', { ...RUNNING, isReverting: true }, Array(5).fill('rollout-reverting').join(' ')],
  ['ended', { ...RUNNING, state: 'aborted' }, Array(5).fill('rollout-ended').join(' ')],
  ['none', undefined, Array(5).fill('rollout-unknown').join(' ')],
  [
    'worn out',
    { ...RUNNING, steers: MAX_STEERS },
    Array(5).fill('rollout-steered-too-often').join(' '),
  ],
])('%s', (_name, facts, answers) => {
  const actions = ['pause', 'resume', 'skip', 'abort', 'promote'] as const;
  expect(actions.map((action) => ask(facts, action)).join(' ')).toBe(answers);
});

test('only who may', () => {
  const answer = admitSteer(RUNNING, { stepId: 'roll', action: 'pause', role: 'approver' });
  expect(answer).toMatchObject({ ok: false, code: 'role-not-permitted' });
});
