/** How a release reaches the targets. */
export const ROLLOUT_STRATEGIES = [
  /** Every target, as many at a time as may be unavailable. One stage. */
  'all-at-once',
  /** One stage, so many at a time as may be unavailable. */
  'rolling',
  /** Stages of targets, each of which must hold before the next begins. */
  'waves',
  /** As `waves`, and each stage has a share of the requests. */
  'canary',
  /** The group that serves nobody is made new, then gets all requests at once. */
  'blue-green',
  /** Requests that fit, or a share of visitors, see the new version for a time. */
  'ab',
] as const;

/** One of {@link ROLLOUT_STRATEGIES}. */
export type RolloutStrategy = (typeof ROLLOUT_STRATEGIES)[number];

/** One stage as the pipeline has it. */
export interface WaveInput {
  /** Shown; `wave-<n>` when absent. */
  readonly name?: string;
  /**
   * All that have the new version at its end, of all targets of the step; one of the two. Without either the last wave has all, and one of a
   * canary as many as the wave before: only requests move.
   */
  readonly targets?: number;
  readonly percent?: number;
  /** Share of the requests, in percent with at most one decimal. Only with a router; the share of its targets when absent. */
  readonly share?: number;
  /** How long it is watched; the rollout's `soakSeconds` when absent. */
  readonly soakSeconds?: number;
  /** Stops here until a person goes on. */
  readonly pause?: boolean;
}

/** Requests of an A/B rollout that see the new version: exactly one of the two. */
export interface MatchInput {
  readonly header?: { readonly name: string; readonly value: string };
  readonly cookie?: { readonly name: string; readonly value: string };
}

/** Inputs of `rollout@1`, checked by its schema; what a schema cannot say is said by `layOutRollout`. */
export interface RolloutInputs {
  readonly strategy: RolloutStrategy;
  /** Targets that may be without a working version at a time, in a stage; one of the two. Default: all of a stage, of `rolling` 1. */
  readonly maxUnavailable?: number;
  readonly maxUnavailablePercent?: number;
  readonly waves?: readonly WaveInput[];
  /** Label whose value names the group of a target: `blue-green` needs it, with two values. */
  readonly groupLabel?: string;
  /** `blue-green`: makes the old group new, too, once the switch has held. */
  readonly retire?: boolean;
  /** `blue-green`: once the idle group is new it waits for a person before requests are switched. */
  readonly pauseBeforeSwitch?: boolean;
  readonly match?: readonly MatchInput[];
  /** Name of a router of the environment. */
  readonly router?: string;
  readonly soakSeconds?: number;
  /** Between two looks. */
  readonly intervalSeconds?: number;
  /** What is compared; health alone when absent. Read by the analysis. */
  readonly analysis?: Readonly<Record<string, unknown>>;
  /** The environment's policy is asked before each further stage. True when absent. */
  readonly gate?: boolean;
  readonly onFail?: 'revert' | 'pause';
  readonly onInconclusive?: 'pause' | 'revert';
  /** The longest that it stays paused; then it is aborted. */
  readonly pauseSeconds?: number;
}

/** Seconds that a stage is watched where nothing is said. */
export const DEFAULT_SOAK_SECONDS = 60;

/** Seconds between two looks where nothing is said. */
export const DEFAULT_INTERVAL_SECONDS = 15;

/** The longest pause where nothing is said: a day. */
export const DEFAULT_PAUSE_SECONDS = 86_400;

/** Stages of one rollout. */
export const MAX_STAGES = 50;
