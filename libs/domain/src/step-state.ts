/** States of a step, as the contracts settle them. */
export const STEP_STATES = [
  'pending',
  'running',
  'waiting',
  'succeeded',
  // Of a matrix: some members succeeded, some did not.
  'partial',
  'failed',
  'skipped',
  'cancelled',
  'reverted',
] as const;

/** One of {@link STEP_STATES}. */
export type StepState = (typeof STEP_STATES)[number];

/** Every allowed change of a step's state; what is not here is refused. */
export const STEP_TRANSITIONS: Readonly<Record<StepState, readonly StepState[]>> = {
  // Failed at once: its deadline passed before any worker took it, or its type is unknown.
  pending: ['running', 'waiting', 'failed', 'skipped', 'cancelled'],
  // Back to pending: a stale plan is made, and where it must be approved, again.
  running: ['waiting', 'succeeded', 'partial', 'failed', 'cancelled', 'pending'],
  waiting: ['running', 'succeeded', 'failed', 'cancelled', 'pending'],
  succeeded: ['reverted', 'pending'],
  partial: ['reverted', 'pending'],
  failed: ['reverted', 'pending'],
  skipped: ['pending'],
  cancelled: ['reverted'],
  reverted: [],
};

/** True when a step may go from one state to the other. Staying is no change and is not allowed. */
export function isStepTransition(from: StepState, to: StepState): boolean {
  return STEP_TRANSITIONS[from].includes(to);
}
