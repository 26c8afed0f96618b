import type {
  ApprovalState,
  Component,
  JsonValue,
  PromotionEndState,
  PromotionState,
  RolloutLayout,
  StepState,
  Vote,
} from '@sluice/domain';
import type {
  DecideApprovalInput,
  FrozenRules,
  PromotionRef,
  Reason,
} from './promotion.messages.ts';
import type { ComponentRequest, ResolveReleaseInput } from './release.messages.ts';

/** Input of the one activity that runs every step that is no control step. */
export interface ExecuteStepInput {
  /** Registered type without its version: `scan`. */
  readonly type: string;
  readonly version: number;
  readonly promotion: PromotionRef;
  readonly stepId: string;
  /** Counts from 2 on when a stale plan is made again; absent in the first round. Part of the effect's key. */
  readonly round?: number;
  /** Of `compensateStep` alone, `round` is absent then: the newest round in which the records have an attempt of it. */
  readonly newestRound?: true;
  /** Set when the interpreter expanded the step over targets. */
  readonly target?: string;
  /** Set when the step runs once for each member of a matrix (form 3): `expandMatrix` has stored it under this index. */
  readonly member?: MatrixMember;
  /** Form 3: outputs whose values come back with the result; `*` for all of them. */
  readonly wants?: readonly string[];
  /** Name → digest: `release`, `rules`, and each needed step's outputs as `<step>.<output>`. */
  readonly inputDigests: Readonly<Record<string, string>>;
  /** Workflow time when the step was scheduled; RFC 3339. What a decision calls `evaluatedAt`. */
  readonly scheduledAt: string;
  readonly traceparent: string;
}

/** One member of a matrix. */
export interface MatrixMember {
  /** Place among the members, from 0. */
  readonly index: number;
  /** Part of the effect's key: a target's name, or the index as text. */
  readonly key: string;
}

/** What a step came to. A blocked gate or an unhealthy target is a result, not an error. */
export interface StepResult {
  readonly outcome: 'succeeded' | 'denied' | 'failed';
  /** Name → digest of what the step made; kept in the evidence store or in records. */
  readonly outputs: Readonly<Record<string, string>>;
  /**
   * Form 3: typed outputs by name, those that are digests among them. The effect record has all of them, the interpreter is handed those
   * that it `wants`.
   */
  readonly values?: Readonly<Record<string, JsonValue>>;
  /** Of `compensateStep`, with `succeeded`: the execution never began, so that there was nothing to put back. */
  readonly untouched?: true;
  /** Null exactly when it succeeded. */
  readonly reason: Reason | null;
}

/** Implemented once per capability, on that capability's task queue. */
export interface StepActivities {
  /** Idempotent by (promotion, step, target): a second run returns the first result. */
  executeStep(input: ExecuteStepInput): Promise<StepResult>;
  /**
   * Puts back what one execution of a step did; idempotent by the same key. `failed` says that a person must look. Of a step that never
   * began: `succeeded` and `untouched`. Deployments are put back by `revertTarget`.
   */
  compensateStep(input: ExecuteStepInput): Promise<StepResult>;
}

/** On the deploy queue, because it dispatches to agents like the deploy step does. */
export interface RevertActivities {
  /**
   * Puts one target back to what its plan's current side says. Completed asynchronously by the agent's
   * final report; `failed` says that the target needs a person.
   */
  revertTarget(input: {
    readonly promotion: PromotionRef;
    readonly target: string;
    readonly traceparent: string;
  }): Promise<StepResult>;
}

/** Names one request for approval. */
export interface ApprovalRound {
  readonly promotion: PromotionRef;
  readonly stepId: string;
  /** From 1; grows each time that a stale plan is made again. */
  readonly round: number;
  readonly releaseDigest: string;
  /** Digest of the plan set. */
  readonly planDigest: string;
}

/** Answer of `takeLease`. */
export type LeaseAnswer =
  | { readonly state: 'granted'; readonly fencingToken: number }
  | { readonly state: 'queued'; readonly position: number; readonly holder: string };

/** Answer of `openApproval`. Attempts of before it had one answered nothing: none of theirs are seen after a reset. */
export type OpenedApproval = {
  /** What was recorded of this round before: there is something only after a reset. */
  readonly votes: readonly Vote[];
} | void;

/** The interpreter's own calls, on the control queue. Each is idempotent. */
export interface InterpreterActivities {
  /** Reads the rules once and stores them with the promotion; a second call returns the stored ones. */
  freezeRules(input: { readonly promotion: PromotionRef }): Promise<FrozenRules>;
  /** Enters the queue of a lease, and takes it when this promotion is first in line and it is free. */
  takeLease(input: {
    readonly promotion: PromotionRef;
    readonly resource: string;
    /** A rollback's: takes it from whoever holds it, who is asked to stop and ended after a grace time. */
    readonly preempt?: true;
  }): Promise<LeaseAnswer>;
  /** Gives the lease to the next that is ready, and keeps the place in the queue, not ready. */
  yieldLease(input: { readonly promotion: PromotionRef; readonly resource: string }): Promise<void>;
  /**
   * Targets whose stored plan is not what would be planned now, sorted; empty when the plan set still holds.
   * Asked while the lease is held, and when targets may have changed while an approval is waited for.
   */
  checkPlans(input: {
    readonly promotion: PromotionRef;
    readonly planDigest: string;
  }): Promise<{ readonly stale: readonly string[] }>;
  /** Sends steps back to pending after a stale plan, in one transaction with the event `plan.stale`. */
  reopenSteps(input: {
    readonly promotion: PromotionRef;
    readonly stepIds: readonly string[];
    readonly reason: Reason;
  }): Promise<void>;
  /**
   * Asks for approval: the request's row, step and promotion `waiting`, event `approval.requested`. One that was asked for
   * before (the run was reset) stays as it is, and what people said then stands.
   */
  openApproval(input: ApprovalRound & { readonly deadline: string }): Promise<OpenedApproval>;
  /** Stores an admitted decision with its signed statement and event; a second call answers the same. */
  recordApproval(
    input: ApprovalRound & { readonly ballot: DecideApprovalInput; readonly decidedAt: string },
  ): Promise<void>;
  /** Ends a request for approval: its row, the step's state, the promotion `running` again, event `approval.closed`. */
  closeApproval(
    input: ApprovalRound & {
      readonly state: Exclude<ApprovalState, 'waiting'>;
      readonly reason: Reason | null;
    },
  ): Promise<void>;
  /** Gives the lease (or the place in its queue) back and tells the next in line. */
  releaseLease(input: {
    readonly promotion: PromotionRef;
    readonly resource: string;
  }): Promise<void>;
  /** Writes a promotion's state that no other activity writes: queued, running, waiting. */
  recordPromotion(input: {
    readonly promotion: PromotionRef;
    readonly state: PromotionState;
    readonly reason: Reason | null;
  }): Promise<void>;
  /** Writes a step's state that its own activity could not: skipped, cancelled, failed by deadline, reverted. */
  recordStep(input: {
    readonly promotion: PromotionRef;
    readonly stepId: string;
    readonly state: StepState;
    readonly reason: Reason | null;
  }): Promise<void>;
  /** Several of `recordStep`, in one transaction, in this order; at most {@link MAX_STEPS_A_RECORD}. */
  recordSteps(input: {
    readonly promotion: PromotionRef;
    readonly steps: readonly {
      readonly stepId: string;
      readonly state: StepState;
      readonly reason: Reason | null;
    }[];
  }): Promise<void>;
  /**
   * Finds the members of a step's matrix and stores them, once for each round; asked again it answers the same. Members over targets are
   * those of the frozen targets whose labels (of when the rules were frozen) fit, by name. With `newestRound` (and no `round`) nothing is
   * found and stored: the answer has the members of the newest round that has any, or none.
   */
  expandMatrix(input: {
    readonly promotion: PromotionRef;
    readonly stepId: string;
    readonly round?: number;
    readonly newestRound?: true;
  }): Promise<ExpandedMatrix>;
  /** Stores what became of members whose own activity could not say so: failed by deadline, cancelled, never begun. */
  recordMembers(input: {
    readonly promotion: PromotionRef;
    readonly stepId: string;
    readonly round?: number;
    readonly members: readonly {
      readonly index: number;
      readonly outcome: 'failed' | 'cancelled' | 'skipped';
      readonly reason: Reason;
    }[];
  }): Promise<void>;
  /** Names of targets where this promotion's deploy command was dispatched (whatever came of it), sorted. */
  listDeployments(input: { readonly promotion: PromotionRef }): Promise<readonly string[]>;
  /**
   * Steps of which an attempt has begun, in this run of the promotion or in one before a reset, as the records have them; none that were
   * put back. Form 3.
   */
  listBegunSteps(input: {
    readonly promotion: PromotionRef;
  }): Promise<readonly { readonly stepId: string; readonly state: StepState }[]>;
  /**
   * The epilogue of every end state, in one transaction: end state, current release per target (when it
   * succeeded), event, promotion statement; then the packet. Steps that are open and a request for approval that
   * waits are closed with it. Returns the packet's digest; and how it ended where that is not what was asked for: it
   * was sealed before, or a rollback was faster than a success.
   * `revertFirst`: nothing was sealed, for this promotion has deployed to targets that its run has not looked at. They are
   * put back, and the end that comes of it is sealed. With `undoFirst` all of its steps are, for its run never came to its rules.
   */
  sealPromotion(input: {
    readonly promotion: PromotionRef;
    readonly state: PromotionEndState;
    readonly reason: Reason | null;
    readonly endedAt: string;
    readonly traceparent: string;
    /**
     * False when this run has not looked for targets to put back: an earlier run, before a reset, may have deployed. Absent
     * where it has, and in runs of before it could say so.
     */
    readonly targetsSettled?: boolean;
    /** False when this run has not got its rules: an earlier one may have run steps of a course. Absent where it has. */
    readonly stepsSettled?: false;
  }): Promise<{
    /** Empty with `revertFirst`. */
    readonly packetDigest: string;
    readonly revertFirst?: true;
    readonly undoFirst?: true;
    readonly ended?: { readonly state: PromotionEndState; readonly reason: Reason | null };
  }>;
}

/** Steps of one `recordSteps`: more are recorded in several calls. */
export const MAX_STEPS_A_RECORD = 500;

/** Members of a matrix that the promotion's own workflow runs; more go to shards. */
export const MAX_MEMBERS_IN_ROOT = 100;

/** Members of one shard. */
export const MAX_SHARD_MEMBERS = 200;

/** Answer of `expandMatrix`; a matrix without members is refused before it runs, or ends its step as skipped. */
export interface ExpandedMatrix {
  readonly count: number;
  /** Of an answer to `newestRound` with members. */
  readonly round?: number;
  /** Members are targets: each key is a target's name. */
  readonly isOverTargets: boolean;
  /** By index; present up to {@link MAX_MEMBERS_IN_ROOT} members, shards ask for theirs. */
  readonly keys?: readonly string[];
  /** Exactly of a `rollout@1`: its members stand in the order of exposure. */
  readonly rollout?: RolloutLayout;
  /** Of a rollout with members: those before this one were deployed to, or may have been. Absent in answers of before it was always told. */
  readonly exposed?: number;
}

/** Calls of a shard, on the control queue. */
export interface ShardActivities extends Pick<InterpreterActivities, 'recordMembers'> {
  /** Keys of the members from an index up to (not including) another, by index. */
  readMembers(input: {
    readonly promotion: PromotionRef;
    readonly stepId: string;
    readonly round?: number;
    readonly from: number;
    readonly to: number;
  }): Promise<readonly string[]>;
}

/** Calls of `resolveRelease`, on the control queue. */
export interface ReleaseActivities {
  /**
   * Resolves a tag to a digest and brings the image into the evidence store, every blob verified.
   * A tag that does not exist, a digest that does not match or an image over the limits is a refusal.
   */
  resolveComponent(input: {
    readonly tenantId: string;
    readonly component: ComponentRequest;
  }): Promise<
    | { readonly ok: true; readonly component: Component }
    | { readonly ok: false; readonly code: string; readonly message: string }
  >;
  /** Stores the release and its event, and settles the request. */
  recordRelease(input: {
    readonly request: ResolveReleaseInput;
    readonly components: readonly Component[];
  }): Promise<
    | { readonly ok: true; readonly releaseDigest: string }
    | { readonly ok: false; readonly code: string; readonly message: string }
  >;
  /** Settles the request as refused. */
  refuseRelease(input: {
    readonly request: ResolveReleaseInput;
    readonly code: string;
    readonly message: string;
  }): Promise<void>;
}
