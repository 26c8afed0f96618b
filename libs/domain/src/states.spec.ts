import { describe, expect, test } from '@jest/globals';
import type { PromotionState } from './promotion-state.ts';
import {
  isPromotionEnd,
  isPromotionTransition,
  PROMOTION_END_STATES,
  PROMOTION_STATES,
} from './promotion-state.ts';
import type { StepState } from './step-state.ts';
import { isStepTransition, STEP_STATES } from './step-state.ts';

/*
 * The whole tables, written out once more as pictures: rows are the state before, columns the state after, `x` is allowed. Every
 * pair is asked, so a change of the table in the code is a change here.
 */
const PROMOTION = `
             requested queued running waiting succeeded denied failed reverted cancelled
  requested  .         x      x       .       .         .      x      .        x
  queued     .         .      x       .       .         .      x      .        x
  running    .         x      .       x       x         x      x      x        x
  waiting    .         x      x       .       .         x      x      x        x
  succeeded  .         .      .       .       .         .      .      .        .
  denied     .         .      .       .       .         .      .      .        .
  failed     .         .      .       .       .         .      .      .        .
  reverted   .         .      .       .       .         .      .      .        .
  cancelled  .         .      .       .       .         .      .      .        .
`;

const STEP = `
             pending running waiting succeeded partial failed skipped cancelled reverted
  pending    .       x       x       .         .       x      x       x         .
  running    x       .       x       x         x       x      .       x         .
  waiting    x       x       .       x         .       x      .       x         .
  succeeded  x       .       .       .         .       .      .       .         x
  partial    x       .       .       .         .       .      .       .         x
  failed     x       .       .       .         .       .      .       .         x
  skipped    x       .       .       .         .       .      .       .         .
  cancelled  .       .       .       .         .       .      .       .         x
  reverted   .       .       .       .         .       .      .       .         .
`;

function readTable(picture: string): readonly (readonly [string, string, boolean])[] {
  const [head = [], ...rows] = picture
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return rows.flatMap(([from = '', ...marks]) =>
    marks.map((mark, index) => [from, head[index] ?? '', mark === 'x'] as const),
  );
}

describe.each([
  ['promotion', PROMOTION, PROMOTION_STATES, isPromotionTransition],
  ['step', STEP, STEP_STATES, isStepTransition],
] as const)('the states of a %s', (_what, picture, states, isTransition) => {
  const table = readTable(picture);

  test('the picture has every pair', () => {
    expect(table.map(([from, to]) => `${from} ${to}`)).toEqual(
      states.flatMap((from) => states.map((to) => `${from} ${to}`)),
    );
  });

  test.each(table)('%s → %s: %s', (from, to, isAllowed) => {
    const ask = isTransition as (from: string, to: string) => boolean;
    expect(ask(from, to)).toBe(isAllowed);
  });
});

test('an end is what nothing follows, and every open state can be cancelled and can fail', () => {
  const ends: readonly PromotionState[] = PROMOTION_END_STATES;
  for (const state of PROMOTION_STATES) {
    expect(isPromotionEnd(state)).toBe(ends.includes(state));
    if (!isPromotionEnd(state)) {
      expect(isPromotionTransition(state, 'cancelled')).toBe(true);
      expect(isPromotionTransition(state, 'failed')).toBe(true);
    }
  }
});

test('every state can be reached, and every open state leads to an end', () => {
  const reachable = <T extends string>(
    start: T,
    states: readonly T[],
    isTransition: (from: T, to: T) => boolean,
  ): ReadonlySet<T> => {
    const seen = new Set<T>([start]);
    for (const from of seen) {
      for (const to of states) if (isTransition(from, to)) seen.add(to);
    }
    return seen;
  };
  expect(reachable<PromotionState>('requested', PROMOTION_STATES, isPromotionTransition).size).toBe(
    PROMOTION_STATES.length,
  );
  expect(reachable<StepState>('pending', STEP_STATES, isStepTransition).size).toBe(
    STEP_STATES.length,
  );
  for (const state of PROMOTION_STATES) {
    const onward = reachable<PromotionState>(state, PROMOTION_STATES, isPromotionTransition);
    expect([...onward].some(isPromotionEnd)).toBe(true);
  }
});
