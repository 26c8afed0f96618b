import type { Role, RolloutAction, RolloutState, RoutePlace, StagePhase } from '@sluice/domain';
import type { StepResult } from './activities.ts';
import type { PromotionRef, Reason } from './promotion.messages.ts';

/** Name of the Update that steers a rollout. */
export const STEER_ROLLOUT = 'steerRollout';

/** Update `steerRollout`; its id is `<principal>/<idempotency key>`, which is also `steerId`. */
export interface SteerRolloutInput {
  readonly steerId: string;
  readonly stepId: string;
  readonly action: RolloutAction;
  readonly principalId: string;
  readonly personId: string;
  /** Of whoever asks, when they asked. */
  readonly role: Role;
  /** Shown to everyone; may be empty. */
  readonly reason: string;
}

/** Result of `steerRollout`: given when it is recorded. A refusal's code is the failure's `type`. */
export interface SteerRolloutResult {
  readonly steerId: string;
  readonly state: RolloutState;
  /** Index of the stage that it met. */
  readonly stage: number;
}

/** Names one rollout: a step in one round of planning. */
export interface RolloutRef {
  readonly promotion: PromotionRef;
  readonly stepId: string;
  /** From 1. */
  readonly round: number;
}

/** Where a rollout stands. */
export interface RolloutPosition {
  readonly state: RolloutState;
  /** Index of the stage. */
  readonly stage: number;
  readonly phase: StagePhase;
  /** Why it is paused or ended badly; null otherwise. */
  readonly reason: Reason | null;
}

/** What watching a stage came to. */
export interface StageVerdict {
  readonly outcome: 'pass' | 'fail' | 'inconclusive';
  /** Null exactly with `pass`. */
  readonly reason: Reason | null;
  /** 0 to 100; null where no metric was compared. */
  readonly score: number | null;
  /** Digest of the analysis' document; null where health alone was watched. */
  readonly analysisDigest: string | null;
}

/** Calls of a rollout. Each is idempotent by rollout and stage. */
export interface RolloutActivities {
  /** Control queue. Stores where it stands, with what a person did where that moved it; one event each. */
  recordRollout(
    input: RolloutRef & { readonly at: RolloutPosition; readonly steered?: SteerRolloutInput },
  ): Promise<void>;
  /**
   * Deploy queue. Has the router's agent put in force what `composeRoutes` says of the place; completed asynchronously by its final
   * report. Repeated it answers the same, and where the table is in force already nothing is sent. `failed` says that the table of before
   * the command is in force again, or that a person must look. A rollback, which has no rollout of its own, asks for `off` (`exposed` 0: the table in
   * force with nothing for the canary pool) and for `restore` of the newest rollout that moved the router, where that did not complete;
   * otherwise nothing is sent.
   */
  routeTraffic(
    input: RolloutRef & {
      readonly place: RoutePlace;
      /** Of a rollback: which router. Absent of a rollout, whose layout says it. */
      readonly router?: string;
      readonly traceparent: string;
    },
  ): Promise<StepResult>;
  /** Outbound queue. Watches a stage for its time: health of all that is new, and metrics where they are compared. Heartbeats; ends early on failure. */
  watchStage(
    input: RolloutRef & {
      readonly stage: number;
      /** Workflow time at which the stage's watching began, RFC 3339. */
      readonly since: string;
      readonly traceparent: string;
    },
  ): Promise<StageVerdict>;
  /** Gate queue. Asks the environment's policy whether the next stage may begin. `denied` is a result. */
  gateStage(
    input: RolloutRef & {
      readonly stage: number;
      readonly scheduledAt: string;
      readonly traceparent: string;
    },
  ): Promise<StepResult>;
}
