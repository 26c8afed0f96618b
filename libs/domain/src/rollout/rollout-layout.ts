import type { RolloutStrategy } from './rollout-inputs.ts';

/** One stage of a rollout; members are those of the step's matrix, by index, in the order of exposure. */
export interface RolloutStage {
  /** A name; unique in its rollout. */
  readonly name: string;
  /** First member that it deploys to. */
  readonly from: number;
  /** After the last one; equal to `from` where only requests move. */
  readonly to: number;
  /** Members at a time. */
  readonly maxParallel: number;
  /** Share of requests for the new version once its members are deployed; null where requests are not moved. */
  readonly canaryPermille: number | null;
  /** 0 where it is not watched. */
  readonly soakSeconds: number;
  /** Whether metrics are compared while it is watched; health always is. */
  readonly analyse: boolean;
  /** The environment's policy is asked before it begins. */
  readonly gate: boolean;
  /** It waits for a person once it has held. */
  readonly pause: boolean;
}

/** What the interpreter knows of a rollout: the order and the shares. All else stays with the records. */
export interface RolloutLayout {
  readonly strategy: RolloutStrategy;
  readonly stages: readonly RolloutStage[];
  /** Target name of the router that moves requests; null without one. */
  readonly router: string | null;
  readonly onFail: 'revert' | 'pause';
  readonly onInconclusive: 'pause' | 'revert';
  /** The longest pause. */
  readonly pauseSeconds: number;
}

/** What people can do to a rollout that has not ended. */
export const ROLLOUT_ACTIONS = ['pause', 'resume', 'skip', 'abort', 'promote'] as const;

/** One of {@link ROLLOUT_ACTIONS}. `skip`: the rest of this stage's watching. `promote`: everything that is left, at once, unwatched. */
export type RolloutAction = (typeof ROLLOUT_ACTIONS)[number];

/** States of a rollout; the last four are its ends. */
export const ROLLOUT_STATES = [
  'running',
  'paused',
  'completed',
  'failed',
  'aborted',
  'cancelled',
] as const;

/** One of {@link ROLLOUT_STATES}. */
export type RolloutState = (typeof ROLLOUT_STATES)[number];

/** What a stage is doing. */
export const STAGE_PHASES = ['gate', 'deploy', 'traffic', 'soak', 'held'] as const;

/** One of {@link STAGE_PHASES}. */
export type StagePhase = (typeof STAGE_PHASES)[number];
