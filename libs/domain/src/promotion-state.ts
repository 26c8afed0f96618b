/** States of a promotion, as the contracts settle them. */
export const PROMOTION_STATES = [
  'requested',
  'queued',
  'running',
  'waiting',
  'succeeded',
  'denied',
  'failed',
  'reverted',
  'cancelled',
] as const;

/** One of {@link PROMOTION_STATES}. */
export type PromotionState = (typeof PROMOTION_STATES)[number];

/** What a promotion is for: a release's way forward, or an earlier release's return. */
export type PromotionKind = 'promote' | 'rollback';

/** What a rollback was asked to put there. */
export type RollbackTo = 'last-verified' | 'release' | 'nothing';

/** Every allowed change of a promotion's state; what is not here is refused. */
export const PROMOTION_TRANSITIONS: Readonly<Record<PromotionState, readonly PromotionState[]>> = {
  requested: ['queued', 'running', 'cancelled', 'failed'],
  queued: ['running', 'cancelled', 'failed'],
  running: ['waiting', 'queued', 'succeeded', 'denied', 'failed', 'reverted', 'cancelled'],
  waiting: ['running', 'queued', 'denied', 'failed', 'reverted', 'cancelled'],
  succeeded: [],
  denied: [],
  failed: [],
  reverted: [],
  cancelled: [],
};

/** End states: nothing follows, and each of them is sealed. */
export const PROMOTION_END_STATES = [
  'succeeded',
  'denied',
  'failed',
  'reverted',
  'cancelled',
] as const satisfies readonly PromotionState[];

/** One of {@link PROMOTION_END_STATES}. */
export type PromotionEndState = (typeof PROMOTION_END_STATES)[number];

/** True when a promotion may go from one state to the other. */
export function isPromotionTransition(from: PromotionState, to: PromotionState): boolean {
  return PROMOTION_TRANSITIONS[from].includes(to);
}

/** True for a state that nothing follows. */
export function isPromotionEnd(state: PromotionState): state is PromotionEndState {
  return PROMOTION_TRANSITIONS[state].length === 0;
}
