import { describe, expect, test } from '@jest/globals';
import {
  classOfOutcome,
  isSettled,
  needStandingOf,
  type SettledStep,
  STEP_OUTCOMES,
  type StepStanding,
} from './step-outcome.ts';

const CLASSES: readonly (readonly [SettledStep, string, string])[] = [
  [{ state: 'succeeded' }, 'good', 'clear'],
  [{ state: 'partial', tolerated: true }, 'good', 'tolerated'],
  [{ state: 'partial', tolerated: false }, 'bad', 'bad'],
  [{ state: 'failed', tolerated: true }, 'good', 'tolerated'],
  [{ state: 'failed', tolerated: false }, 'bad', 'bad'],
  [{ state: 'skipped', cause: 'own-will' }, 'off', 'clear'],
  [{ state: 'skipped', cause: 'trouble' }, 'bad', 'bad'],
  [{ state: 'cancelled' }, 'bad', 'bad'],
  [{ state: 'reverted' }, 'bad', 'bad'],
];

describe('outcomes', () => {
  test.each(CLASSES)('%j is %s, and as a need %s', (settled, kind, need) => {
    expect(classOfOutcome(settled)).toBe(kind);
    expect(needStandingOf(settled)).toBe(need);
    // Where it was settled changes nothing for those that need it.
    expect(needStandingOf({ ...settled, inFinale: true })).toBe(need);
    expect(isSettled(settled)).toBe(true);
  });

  test('every outcome is asked', () => {
    expect([...new Set(CLASSES.map(([{ state }]) => state))]).toEqual([...STEP_OUTCOMES]);
  });

  test.each(['pending', 'running', 'waiting'] as const)('%s is not settled', (state) => {
    const standing: StepStanding = { state };
    expect(isSettled(standing)).toBe(false);
    expect(needStandingOf(standing)).toBe('open');
  });
});
