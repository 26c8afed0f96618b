import { describe, expect, test } from '@jest/globals';
import type { RolloutAnswer } from './canary-operations.ts';
import type { PromotionTimes } from './told-rollout.ts';
import { toToldRollout } from './told-rollout.ts';

const LOAD = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number): string => new Date(LOAD + seconds * 1000).toISOString();
const TIMES: PromotionTimes = {
  ...{ promotion: 'shop/2', version: '2', before: '1', state: 'reverted' },
  ...{ from: LOAD + 4000, to: LOAD + 40_000, revertedAt: LOAD + 36_000 },
};

function change(canaryPermille: number, settled: number, state = 'CONFIRMED') {
  const [dispatchedAt, settledAt] = [at(settled - 1), at(settled)];
  return { stage: 0, canaryPermille, state, failure: null, dispatchedAt, settledAt };
}

function answer(outcome: 'FAIL' | 'PASS'): RolloutAnswer {
  const stage = { state: 'RUNNING', soakSeconds: 20, memberCounts: { total: 1 } };
  const reason = { code: 'analysis-failed', message: 'slower' };
  return {
    ...{ step: 'rollout', state: 'FAILED', stage: 0, phase: 'SOAK', reason: null },
    ...{ startedAt: at(4), endedAt: null },
    stages: [
      {
        ...{ ...stage, index: 0, name: 'first', canaryPermille: 100 },
        analysis: { outcome, score: 0, reason, startedAt: at(9), endedAt: at(29) },
      },
      { ...stage, index: 1, name: 'all', canaryPermille: 1000, analysis: null },
    ],
    routeChanges: [change(0, 5), change(100, 8), change(100, 20, 'REFUSED'), change(0, 30)],
  };
}

describe('a rollout on the clock of the load', () => {
  test('that failed: when that was said, when requests were off, when all was as before', () => {
    const told = toToldRollout({ last: answer('FAIL'), begins: [LOAD + 5000] }, TIMES, LOAD);
    expect(told).toMatchObject({ from: 4, to: 40, failedAt: 29, offAt: 30, revertedAt: 36 });
    expect(told.shares).toEqual([
      { at: 5, percent: 0 },
      { at: 8, percent: 10 },
      { at: 30, percent: 0 },
    ]);
    const stage = { name: 'first', targets: 1, share: 10, from: 5, to: 29, score: 0 };
    expect(told.stages).toEqual([{ ...stage, outcome: 'fail', reason: 'slower' }]);
  });

  test('that held, or was never there', () => {
    const begins = [LOAD + 5000, LOAD + 30_000];
    const times = { ...TIMES, state: 'succeeded', revertedAt: null };
    const told = toToldRollout({ last: answer('PASS'), begins }, times, LOAD);
    expect(told).toMatchObject({ failedAt: null, offAt: null, revertedAt: null });
    expect(told.stages.map(({ name, targets, to }) => [name, targets, to])).toEqual([
      ['first', 1, 29],
      ['all', 2, 40],
    ]);
    const none = toToldRollout({ last: null, begins: [] }, times, LOAD);
    expect([none.stages, none.shares]).toEqual([[], []]);
  });
});
