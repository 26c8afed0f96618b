import type {
  ApprovalDecision,
  ApprovalRule,
  ApprovalState,
  Deadlines,
  JsonValue,
  Pipeline,
  PromotionEndState,
  PromotionKind,
  PromotionState,
  StepState,
  Voter,
} from '@sluice/domain';
import type { CourseState } from './course.messages.ts';
import type { RolloutPosition } from './rollout.messages.ts';

/** Names one promotion wherever it is spoken of. */
export interface PromotionRef {
  readonly tenantId: string;
  /** `<environment>/<number>`. */
  readonly promotionId: string;
}

/** Input of `promoteRelease`. */
export interface PromoteReleaseInput {
  readonly promotion: PromotionRef;
  readonly environment: string;
  readonly releaseDigest: string;
  readonly kind: PromotionKind;
  /** W3C trace context of the mutation that asked for it. */
  readonly traceparent: string;
  /** Where the run before this one came to, when it continued as new; form 3 alone. */
  readonly resume?: CourseState;
}

/** What a promotion holds to from its start to its end, whatever changes meanwhile. */
export interface FrozenRules {
  readonly releaseDigest: string;
  /** A `Course` exactly in form 3. */
  readonly pipeline: Pipeline;
  /** In form 3 of the resolved pipeline, with all inputs; the records have it by this digest. */
  readonly pipelineDigest: string;
  readonly policyDigest: string;
  /** Names of the environment's targets, sorted. */
  readonly targets: readonly string[];
  readonly deadlines: Deadlines;
  /**
   * Absent in rules that were frozen before there were plans and approvals as steps; 2 since then: the promotion has
   * its place in the lease's queue from its start, and the fields below are there; 3 where its pipeline is data of a team, run as a
   * course.
   */
  readonly form?: 2 | 3;
  /** Form 3: values of the pipeline's parameters, for conditions. */
  readonly parameters?: Readonly<Record<string, JsonValue>>;
  /** Form 3: what conditions can read of the promotion itself. */
  readonly facts?: PromotionFacts;
  /** Routers of the environment; absent where it has none, and in rules of before there were any. */
  readonly routers?: readonly string[];
  /** Form 3: an unhappy end also puts back what a run before a reset has done. Absent in rules of before it did. */
  readonly undoesEarlierRuns?: true;
  /** The promotion was recorded as running in the transaction that stored these rules: nobody needs to do it again. */
  readonly begun?: true;
  readonly kind?: PromotionKind;
  readonly approval?: ApprovalRule | null;
  readonly predecessors?: readonly string[];
  /** Who asked for it, and the person behind them. */
  readonly requester?: { readonly principalId: string; readonly personId: string };
  /** Digest of this very value without this field; it is an input digest of every step. */
  readonly rulesDigest: string;
}

/** What pipelines can read of a promotion: `promotion.id`, `release.version`, `environment.name`. */
export interface PromotionFacts {
  readonly promotion: {
    readonly id: string;
    readonly environment: string;
    readonly kind: PromotionKind;
  };
  readonly release: { readonly id: string; readonly name: string; readonly version: string };
  readonly environment: { readonly name: string };
}

/** Result of `promoteRelease`. */
export interface PromotionResult {
  readonly state: PromotionEndState;
  readonly reason: Reason | null;
  readonly packetDigest: string;
}

/** Why a step or a promotion is where it is. */
export interface Reason {
  /** Stable, kebab-case. */
  readonly code: string;
  /** What happened, to what, and what to do now. */
  readonly message: string;
}

/** State of one step as the interpreter sees it; answered by the query `promotionStatus`. */
export interface StepStatus {
  readonly id: string;
  readonly state: StepState;
  readonly reason: Reason | null;
}

/** Answer of the query `promotionStatus`. */
export interface PromotionStatus {
  readonly state: PromotionState;
  readonly steps: readonly StepStatus[];
  readonly fencingToken: number | null;
  /** The newest request for approval; absent before the first. */
  readonly approval?: {
    readonly state: ApprovalState;
    readonly round: number;
    readonly planDigest: string;
    /** RFC 3339. */
    readonly deadline: string;
    readonly votes: readonly { readonly personId: string; readonly decision: ApprovalDecision }[];
  };
  /** Rollouts of this run by step; absent where it has none. */
  readonly rollouts?: Readonly<Record<string, RolloutPosition>>;
}

/** Update `decideApproval`; its id is `<principal>/<idempotency key>`, which is also the approval's id. */
export interface DecideApprovalInput {
  readonly approvalId: string;
  readonly voter: Voter;
  readonly decision: ApprovalDecision;
  /** Shown to everyone; may be empty. */
  readonly comment: string;
  readonly releaseDigest: string;
  /** Digest of the plan set that the approver saw. */
  readonly planDigest: string;
}

/** Result of `decideApproval`: given when the decision is recorded. A refusal's code is the failure's `type`. */
export interface DecideApprovalResult {
  readonly approvalId: string;
  readonly state: 'waiting' | 'approved' | 'rejected';
}

/** Signal `targetsChanged`: another promotion changed what runs here; a plan that waits may be stale. */
export interface TargetsChangedSignal {
  readonly resource: string;
}

/** Signal `supersedePromotion`: a rollback took the lease; nothing more may be done to the targets. */
export interface SupersedePromotionSignal {
  /** The rollback's promotion id. */
  readonly by: string;
}

/** Input of `settlePromotion`: ends a promotion whose own workflow is gone. */
export interface SettlePromotionInput {
  readonly promotion: PromotionRef;
  readonly environment: string;
  readonly releaseDigest: string;
  readonly kind: PromotionKind;
  readonly traceparent: string;
  /** Why it is ended from outside. */
  readonly reason: Reason;
}

/** Signal `cancelPromotion`: a fact that somebody asked for the end; accepted in every state. */
export interface CancelPromotionSignal {
  readonly requestedBy: string;
  readonly reason: string;
}

/** Signal `leaseGranted`: the queue's head is told; the lease row stays the truth. */
export interface LeaseGrantedSignal {
  readonly resource: string;
  readonly fencingToken: number;
}

/** Names of the messages of `promoteRelease`. */
export const PROMOTION_MESSAGES = {
  promotionStatus: 'promotionStatus',
  cancelPromotion: 'cancelPromotion',
  leaseGranted: 'leaseGranted',
  decideApproval: 'decideApproval',
  targetsChanged: 'targetsChanged',
  supersedePromotion: 'supersedePromotion',
} as const;
