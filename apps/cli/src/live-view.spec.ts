import { expect, test } from '@jest/globals';
import { renderProgress } from './live-view.ts';
import { rollout } from './rollout.fixture.ts';
import type { ProgressPromotionView } from './watch-operations.ts';

type Step = ProgressPromotionView['steps'][number];

const at = '2030-01-01T00:00:00Z';
const step = (id: string, state: string, more: Partial<Step> = {}): Step => ({
  id,
  type: 'deploy@1',
  state,
  startedAt: at,
  endedAt: null,
  seconds: null,
  reason: null,
  memberCounts: null,
  ...more,
});
const counts = {
  total: 5,
  pending: 0,
  running: 1,
  succeeded: 2,
  denied: 0,
  failed: 2,
  skipped: 0,
  cancelled: 0,
  reverted: 0,
};

function draw(steps: readonly Step[], more: Partial<ProgressPromotionView> = {}, rows = 40) {
  const promotion: ProgressPromotionView = {
    id: 'prod/7',
    kind: 'PROMOTE',
    state: 'RUNNING',
    requestedAt: at,
    startedAt: at,
    endedAt: null,
    reason: null,
    release: { id: 'x', name: 'shop', version: '1.2.0' },
    environment: { name: 'prod' },
    steps,
    compensation: null,
    deployments: [],
    problem: null,
    approval: null,
    ...more,
  };
  const state = { promotion, events: [], note: '' };
  return renderProgress(state, Date.parse('2030-01-01T00:01:00Z'), { columns: 90, rows }, false);
}

test('partial, skipped, cancelled and put back are told apart, with members and causes', () => {
  const reason = { code: 'if-false', message: 'Its condition is false.' };
  const lines = draw([
    step('europe', 'RUNNING', { memberCounts: counts }),
    step('asia', 'PARTIAL', { seconds: 3, memberCounts: { ...counts, running: 0, succeeded: 3 } }),
    step('a-long-name-of-a-step', 'SKIPPED', { startedAt: null, reason }),
    step('america', 'CANCELLED'),
    step('canary', 'REVERTED', { seconds: 2 }),
  ]);
  expect(lines.slice(2)).toEqual([
    '  ▶ europe                running 2/5     1:00  (1 running, 2 failed)',
    '  ◐ asia                  partial 3/5    3.0 s  (2 failed)',
    '  - a-long-name-of-a-step skipped               if-false',
    '  ✗ america               cancelled',
    '  ↩ canary                reverted       2.0 s',
  ]);
});

test('a rollout that goes on has a line, one that is paused also says what to do', () => {
  const { router: _router, ...rest } = rollout();
  const open = { ...rest, startedAt: at, router: { route: { canaryPermille: 255 } } };
  const running = draw([step('roll', 'RUNNING')], { rollouts: [open] });
  expect(running.slice(3)).toEqual([
    '',
    '  roll: canary running, stage half (2 of 3), being watched, canary 25.5 % of the request…',
  ]);
  const reason = { code: 'stage-pause', message: 'It has held.' };
  const pausedUntil = '2030-01-02T00:00:00.000Z';
  const paused = { ...open, state: 'PAUSED' as const, reason, pausedUntil };
  const ended = { ...open, state: 'COMPLETED' as const, endedAt: at };
  expect(draw([step('roll', 'RUNNING')], { rollouts: [paused, ended] }).slice(3)).toEqual([
    '',
    '  Rollout of roll is paused (stage-pause), until 2030-01-02 00:00 UTC',
    '  Steer it: sluice rollout show prod/7',
    '',
    '  roll: canary paused, stage half (2 of 3), canary 25.5 % of the requests, 1:00',
  ]);
});

test('what was put back is counted, and what a person has to do stands there', () => {
  const part = { type: 'deploy@1', undoneMembers: null, memberCount: null, reason: null };
  const compensation = {
    complete: false,
    steps: [
      { ...part, step: 'canary', state: 'UNDONE' as const, undoes: 'x', byHand: null },
      { ...part, step: 'migrate', state: 'FAILED' as const, undoes: 'x', byHand: 'Read its log.' },
    ],
  };
  expect(draw([step('canary', 'REVERTED')], { compensation }).slice(-2)).toEqual([
    '  undone 1, to be undone 0, failed 1, left 0',
    '  by hand, migrate: Read its log.',
  ]);
});

test('of hundreds of steps those that matter are drawn, and the others counted', () => {
  const many = Array.from({ length: 300 }, (_, n) =>
    step(
      `step-${n}`,
      n < 150 ? 'SUCCEEDED' : n === 150 ? 'FAILED' : n < 153 ? 'RUNNING' : 'PENDING',
    ),
  );
  const lines = draw(many, {}, 24);
  expect(lines.length).toBeLessThan(24);
  expect(lines.slice(2)).toEqual([
    expect.stringContaining('✗ step-150'),
    expect.stringContaining('▶ step-151'),
    expect.stringContaining('▶ step-152'),
    '  … and 150 succeeded, 147 pending',
  ]);
});
