import type {
  Deadlines,
  Pipeline,
  PromotionEndState,
  PromotionKind,
  PromotionState,
  StepState,
} from '@sluice/domain';

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
}

/** What a promotion holds to from its start to its end, whatever changes meanwhile. */
export interface FrozenRules {
  readonly releaseDigest: string;
  readonly pipeline: Pipeline;
  readonly pipelineDigest: string;
  readonly policyDigest: string;
  /** Names of the environment's targets, sorted. */
  readonly targets: readonly string[];
  readonly deadlines: Deadlines;
  /** Digest of this very value without this field; it is an input digest of every step. */
  readonly rulesDigest: string;
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
} as const;
