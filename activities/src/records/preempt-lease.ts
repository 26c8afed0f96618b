import {
  enqueueOutbox,
  getPromotion,
  lockOrMakeLease,
  markSuperseded,
  type PromotionRecord,
  preemptLease,
  type Tx,
} from '@sluice/persistence';
import {
  type LeaseAnswer,
  leaseHolder,
  PROMOTION_MESSAGES,
  promotionOfHolder,
  promotionWorkflowId,
  type SupersedePromotionSignal,
  settlementWorkflowId,
} from '@sluice/temporal-contract';
import { signal } from './lease-records.ts';
import { recordEventOf, workflowActor } from './promotion-event.ts';

/** How long a superseded promotion has to end by itself where nothing else is set. Seconds. */
export const DEFAULT_SUPERSEDE_GRACE_SECONDS = 10;

/**
 * Gives a rollback the lease, whoever holds it. The old holder is marked, asked to stop, and ended after a grace time:
 * nothing here needs its code to run. Asking again changes nothing.
 */
export async function preempt(
  tx: Tx,
  rollback: PromotionRecord,
  resource: string,
  graceSeconds: number = DEFAULT_SUPERSEDE_GRACE_SECONDS,
): Promise<LeaseAnswer> {
  const holder = leaseHolder(rollback.promotionId);
  const { holder: before } = await lockOrMakeLease(tx, resource);
  const { fencingToken, previous } = await preemptLease(tx, { resource, holder });
  if (before === holder) return { state: 'granted', fencingToken };
  if (previous === null) {
    await recordEventOf(tx, 'lease.granted', rollback, { resource, fencingToken });
    return { state: 'granted', fencingToken };
  }
  await recordEventOf(tx, 'lease.preempted', rollback, {
    resource,
    fencingToken,
    from: previous,
  });
  await supersede(tx, promotionOfHolder(previous), rollback.promotionId, graceSeconds);
  return { state: 'granted', fencingToken };
}

async function supersede(
  tx: Tx,
  promotionId: string,
  by: string,
  graceSeconds: number,
): Promise<void> {
  // One that has ended is only left with a lease that nobody gave back.
  if (!(await markSuperseded(tx, { promotionId, by }))) return;
  const superseded = await getPromotion(tx, promotionId);
  const actor = workflowActor(tx.tenantId, by);
  await recordEventOf(tx, 'promotion.superseded', superseded, { by }, actor);
  const input: SupersedePromotionSignal = { by };
  await signal(tx, promotionId, PROMOTION_MESSAGES.supersedePromotion, input);
  // Its own workflow may be gone, and a settlement at work in its place.
  await enqueueOutbox(tx, {
    kind: 'signal-workflow',
    body: {
      workflowId: settlementWorkflowId(tx.tenantId, promotionId),
      signal: PROMOTION_MESSAGES.supersedePromotion,
      input,
    },
  });
  await enqueueOutbox(
    tx,
    {
      kind: 'terminate-workflow',
      body: {
        workflowId: promotionWorkflowId(tx.tenantId, promotionId),
        reason: `Superseded by ${by}; it did not end by itself within ${graceSeconds} s.`,
      },
    },
    { delaySeconds: graceSeconds },
  );
}
