import type {
  JsonValue,
  PromotionEndState,
  ResolvedRetry,
  ScheduleSnapshot,
  StepQueue,
  StepTypeRef,
} from '@sluice/domain';
import type {
  DecideApprovalResult,
  PromotionFacts,
  PromotionRef,
  PromotionStatus,
  Reason,
} from './promotion.messages.ts';
import type { SteerRolloutResult } from './rollout.messages.ts';

/** What a promotion of form 3 hands to its next run when its history has become long. Details stay in the records. */
export interface CourseState {
  readonly schedule: ScheduleSnapshot;
  /** Values that later conditions read, by step and output. */
  readonly values: Readonly<Record<string, Readonly<Record<string, JsonValue>>>>;
  /** Digest of the plan set by plan step. */
  readonly plans: Readonly<Record<string, string>>;
  /** Rounds in which steps began whose effects would be put back, where it was not the first. */
  readonly rounds: Readonly<Record<string, number>>;
  /** Of steps that ended badly, the first ones in the order of their ends. */
  readonly reasons: readonly { readonly stepId: string; readonly reason: Reason }[];
  /** The release that a step of this promotion made; absent where the frozen one stands. */
  readonly release?: PromotionFacts['release'];
  readonly fencingToken: number | null;
  readonly leaseSought: boolean;
  readonly effectsBegun: boolean;
  /** `targetsChanged` came after the plan was made. */
  readonly targetsChanged: boolean;
  /** Of the whole promotion's deadline. Milliseconds. */
  readonly leftMs: number;
  /** Reason of the gate or the approval that said no. */
  readonly denial?: Reason;
  /** How many runs came before. */
  readonly runs: number;
  /** How the ordinary phase ended; absent before. */
  readonly ending?: {
    readonly state: Exclude<PromotionEndState, 'reverted'>;
    readonly reason: Reason | null;
  };
  /** How far putting things back has come; absent before it. */
  readonly undoing?: UndoingState;
  /** The rollback that took the lease. */
  readonly supersededBy?: string;
  /**
   * What people were answered whose decisions are recorded, the newest last, at most {@link MAX_DECIDED}: the engine knows the ids of
   * Updates of one run alone. Absent where nobody has decided, and in states of before it was kept.
   */
  readonly decided?: readonly DecideApprovalResult[];
  /** What people were answered who steered a rollout, as `decided`. */
  readonly steered?: readonly SteerRolloutResult[];
  /** How the newest request for approval ended; absent where nobody was asked, and in states of before it was kept. */
  readonly asked?: NonNullable<PromotionStatus['approval']>;
}

/** Answers to decisions, and to steering, that a run hands to the next one: of more than these, a repetition of the oldest is refused as late. */
export const MAX_DECIDED = 100;

/** What was put back so far, and what was not. */
export interface UndoingState {
  /** Steps that were put back. */
  readonly putBack: number;
  /** The first steps that were not, with what to do. */
  readonly remaining: readonly { readonly stepId: string; readonly reason: Reason }[];
  /** All steps that were not. */
  readonly remainingCount: number;
}

/** Input of `runShard`: some members of one step's matrix, from an index up to (not including) another. */
export interface RunShardInput {
  /** Executed, or put back. */
  readonly work: 'execute' | 'compensate';
  readonly promotion: PromotionRef;
  readonly stepId: string;
  readonly type: StepTypeRef;
  /** As the course froze it; absent where it froze none. */
  readonly queue?: StepQueue;
  readonly round: number;
  /** With `compensate`: each member is put back in the newest round that it began in. */
  readonly newestRound?: true;
  readonly from: number;
  readonly to: number;
  /** Of a rollout: the indices of those among them that are to run; all where absent. */
  readonly only?: readonly number[];
  readonly isOverTargets: boolean;
  /** Members of this shard at a time. */
  readonly maxParallel: number;
  readonly failFast: boolean;
  /** Of a rollout: members that never began because the shard was stopped are left for another one, and not recorded. */
  readonly leavesRest?: true;
  /** The longest wait of a member for a disruption budget; half an hour when absent. Seconds. */
  readonly waitSeconds?: number;
  readonly retry: ResolvedRetry;
  /** Of one attempt; of one compensation where that is the work. */
  readonly timeoutSeconds: number;
  readonly wants: readonly string[];
  readonly releaseDigest: string;
  readonly rulesDigest: string;
  readonly traceparent: string;
}

/** Result of `runShard`. */
export interface ShardResult {
  readonly succeeded: number;
  readonly failed: number;
  readonly denied: number;
  readonly cancelled: number;
  /** Never begun. */
  readonly skipped: number;
  /** Of the failed ones, targets that refused, for something else is active there than the plan says: they were not touched. */
  readonly refused: number;
  /** Indices of the members that never began and were left, ascending; absent where none was. */
  readonly left?: readonly number[];
  /** Of the first members that did not succeed; at most {@link MAX_SHARD_REASONS}. */
  readonly reasons: readonly { readonly key: string; readonly reason: Reason }[];
  /** By member's index as text; only what is wanted. */
  readonly values: Readonly<Record<string, Readonly<Record<string, JsonValue>>>>;
}

/** Reasons that a shard tells its promotion; the rest is in the records. */
export const MAX_SHARD_REASONS = 5;

/** Bytes of the values of one shard, as JSON in UTF-8: more of them fail the step. */
export const MAX_SHARD_VALUES = 262_144;

/** Bytes of all values that a promotion's conditions read, as JSON in UTF-8: more of them fail the step that gave the last ones. */
export const MAX_COURSE_VALUES = 786_432;

/** Signal of a promotion to its shards: begin no further member. */
export const STOP_SHARD = 'stopShard';

/** Signal of a shard to its promotion, where one failure stops all: a member has failed. */
export const SHARD_FAILED = 'shardFailed';

/** Signal {@link SHARD_FAILED}. */
export interface ShardFailedSignal {
  readonly stepId: string;
}
