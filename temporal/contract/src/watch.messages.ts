import type { WatchState } from '@sluice/domain';
import { promotionWorkflowId, TASK_QUEUES, WORKFLOWS, watchWorkflowId } from './names.ts';
import type { PromoteReleaseInput, PromotionRef, Reason } from './promotion.messages.ts';

/** Input of `watchRelease`: the release of a promotion that succeeded. */
export interface WatchReleaseInput {
  readonly promotion: PromotionRef;
  readonly environment: string;
  /** When the watch is over; RFC 3339. */
  readonly until: string;
  readonly traceparent: string;
}

/** What looking at a release came to. */
export type WatchEnd =
  /** Nothing yet: it goes on. */
  | { readonly kind: 'again' }
  /** Its time is over. */
  | { readonly kind: 'over' }
  /** Another promotion succeeded there after it. */
  | { readonly kind: 'superseded'; readonly by: string }
  | { readonly kind: 'alarm'; readonly reason: Reason }
  /** Nobody can watch it any more. */
  | { readonly kind: 'failed'; readonly reason: Reason };

/** Where a watch stands. */
export interface WatchResult {
  readonly state: WatchState;
  readonly reason: Reason | null;
  /** The rollback that its alarm opened. */
  readonly rollbackId: string | null;
}

/** Calls of `watchRelease`. */
export interface WatchActivities {
  /**
   * Outbound queue. Looks at the release again and again for {@link WATCH_SHIFT_SECONDS} at most, with heartbeats, and notes each look;
   * another attempt goes on from there. `again` when the shift is over.
   */
  lookAtRelease(input: WatchReleaseInput): Promise<WatchEnd>;
  /**
   * Control queue. Ends the watch with its event, and opens the rollback where the environment wants one, in one transaction. Repeated it
   * answers the same. Still `watching` when something else is being deployed there meanwhile: then nothing was done.
   */
  closeWatch(
    input: WatchReleaseInput & { readonly end: Exclude<WatchEnd, { readonly kind: 'again' }> },
  ): Promise<WatchResult>;
}

/** How long one execution of `lookAtRelease` goes on: then another worker may have it. */
export const WATCH_SHIFT_SECONDS = 1800;

/** What starts a promotion's workflow; idempotent by its id. */
export function startOfPromotion(input: PromoteReleaseInput) {
  const { promotion, environment, releaseDigest } = input;
  const { tenantId, promotionId } = promotion;
  return {
    workflowId: promotionWorkflowId(tenantId, promotionId),
    workflowType: WORKFLOWS.promoteRelease,
    taskQueue: TASK_QUEUES.control,
    input,
    searchAttributes: { tenant: tenantId, environment, release: releaseDigest },
  };
}

/** What starts a watch's workflow; idempotent by its id. */
export function startOfWatch(input: WatchReleaseInput & { readonly releaseDigest: string }) {
  const { releaseDigest, ...watch } = input;
  const { promotion, environment } = watch;
  return {
    workflowId: watchWorkflowId(promotion.tenantId, promotion.promotionId),
    workflowType: WORKFLOWS.watchRelease,
    taskQueue: TASK_QUEUES.control,
    input: watch,
    searchAttributes: { tenant: promotion.tenantId, environment, release: releaseDigest },
    restart: 'after-failure' as const,
  };
}
