import { describe, expect, test } from '@jest/globals';
import { type PipelineStops, pipelineEnding } from './pipeline-ending.ts';
import type { StepStanding } from './step-outcome.ts';

const NO_STOPS: PipelineStops = { cancelled: false, denied: false, outOfTime: false };

function resultOf(
  standings: Readonly<Record<string, StepStanding>>,
  stops: Partial<PipelineStops> = {},
): ReturnType<typeof pipelineEnding> {
  const steps = Object.keys(standings).map((id) => ({ id }));
  return pipelineEnding(steps, new Map(Object.entries(standings)), { ...NO_STOPS, ...stops });
}

describe('pipelineEnding', () => {
  test('is succeeded without steps, and with steps that are good or off', () => {
    expect(resultOf({}).ending).toBe('succeeded');
    const result = resultOf({
      scan: { state: 'succeeded' },
      lint: { state: 'failed', tolerated: true },
      load: { state: 'partial', tolerated: true },
      extra: { state: 'skipped', cause: 'own-will' },
    });
    expect(result).toMatchObject({ ending: 'succeeded', bad: [], tolerated: ['lint', 'load'] });
  });

  test.each<StepStanding>([
    { state: 'failed', tolerated: false },
    { state: 'partial', tolerated: false },
    { state: 'cancelled' },
    { state: 'reverted' },
  ])('is failed by %j in the ordinary phase, not in the finale', (standing) => {
    expect(resultOf({ a: standing })).toMatchObject({ ending: 'failed', bad: ['a'] });
    const late = { ...standing, inFinale: true } as StepStanding;
    expect(resultOf({ a: late })).toMatchObject({
      ending: 'succeeded',
      bad: [],
      badInFinale: ['a'],
    });
  });

  test('tells what was left undone apart from what is bad', () => {
    const result = resultOf({
      deploy: { state: 'failed', tolerated: false },
      verify: { state: 'skipped', cause: 'trouble' },
    });
    expect(result).toMatchObject({ ending: 'failed', bad: ['deploy'], leftUndone: ['verify'] });
  });

  test('cancelled goes before denied, denied before failed', () => {
    const failed: Readonly<Record<string, StepStanding>> = {
      gate: { state: 'failed', tolerated: false },
    };
    expect(resultOf(failed, { cancelled: true, denied: true }).ending).toBe('cancelled');
    expect(resultOf(failed, { denied: true, outOfTime: true }).ending).toBe('denied');
    expect(resultOf({ gate: { state: 'succeeded' } }, { outOfTime: true }).ending).toBe('failed');
    expect(resultOf({ gate: { state: 'succeeded' } }, { cancelled: true }).ending).toBe(
      'cancelled',
    );
  });

  test('steps that are unknown or not settled say nothing', () => {
    const steps = [{ id: 'unknown' }, { id: 'running' }];
    const standings = new Map<string, StepStanding>([['running', { state: 'running' }]]);
    expect(pipelineEnding(steps, standings, NO_STOPS).ending).toBe('succeeded');
  });
});
