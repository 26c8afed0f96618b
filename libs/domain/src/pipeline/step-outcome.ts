/** How a step can be settled. */
export const STEP_OUTCOMES = [
  'succeeded',
  /** Of a matrix: some members succeeded, some did not. */
  'partial',
  'failed',
  /** It never began. */
  'skipped',
  /** It was ended before its own end. */
  'cancelled',
  /** What it did was put back. */
  'reverted',
] as const;

/** One of {@link STEP_OUTCOMES}. */
export type StepOutcome = (typeof STEP_OUTCOMES)[number];

/** Why a step never began. */
export const SKIP_CAUSES = [
  /** Its `if` was false, or what its `when` waits for did not come about: nothing is wrong. */
  'own-will',
  /** Something before it, or the whole promotion, went wrong. */
  'trouble',
] as const;

/** One of {@link SKIP_CAUSES}. */
export type SkipCause = (typeof SKIP_CAUSES)[number];

/** A step that is not settled; steps that need it wait. `waiting`: it has begun, and waits for a person, a lease or a place. */
export interface UnsettledStep {
  readonly state: 'pending' | 'running' | 'waiting';
}

/** A step that is settled, with what its meaning for other steps depends on. */
export type SettledStep = {
  /** True when it was settled in the finale: then it says nothing about how the pipeline ended. */
  readonly inFinale?: boolean;
} & (
  | { readonly state: 'succeeded' | 'cancelled' | 'reverted' }
  | {
      readonly state: 'failed' | 'partial';
      /** By `continueOnFailure`, or by the matrix policy `minimum`. */
      readonly tolerated: boolean;
    }
  | { readonly state: 'skipped'; readonly cause: SkipCause }
);

/** Where a step stands. */
export type StepStanding = UnsettledStep | SettledStep;

/** The standing of a step that nothing is known of. */
export const PENDING_STEP: UnsettledStep = { state: 'pending' };

/** What a settled step counts for those that need it. */
export const OUTCOME_CLASSES = ['good', 'off', 'bad'] as const;

/** One of {@link OUTCOME_CLASSES}. */
export type OutcomeClass = (typeof OUTCOME_CLASSES)[number];

/** True when nothing more comes of the step, but for its being put back. */
export function isSettled(standing: StepStanding): standing is SettledStep {
  const { state } = standing;
  return state !== 'pending' && state !== 'running' && state !== 'waiting';
}

/**
 * What a settled step counts for those that need it. `good`: done. `off`: not asked for, and as good as done. `bad`: nothing that wants
 * success follows.
 */
export function classOfOutcome(settled: SettledStep): OutcomeClass {
  switch (settled.state) {
    case 'succeeded':
      return 'good';
    case 'failed':
    case 'partial':
      return settled.tolerated ? 'good' : 'bad';
    case 'skipped':
      return settled.cause === 'own-will' ? 'off' : 'bad';
    case 'cancelled':
    case 'reverted':
      return 'bad';
  }
}

/** What a step means for one that needs it: its class, a failure that was taken apart from a success. */
export type NeedStanding = 'open' | 'clear' | 'tolerated' | 'bad';

/**
 * What a step means for one that needs it. `open`: not settled. `clear`: good or off. `tolerated`: good, but it failed or is partial, which
 * sets off `onFailure`. `bad`: bad.
 */
export function needStandingOf(standing: StepStanding): NeedStanding {
  if (!isSettled(standing)) return 'open';
  if (classOfOutcome(standing) === 'bad') return 'bad';
  return standing.state === 'failed' || standing.state === 'partial' ? 'tolerated' : 'clear';
}
