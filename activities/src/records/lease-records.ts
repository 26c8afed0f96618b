import {
  enqueueOutbox,
  getPromotionHead,
  type LeaseGrant,
  listUnready,
  type Tx,
} from '@sluice/persistence';
import {
  type LeaseGrantedSignal,
  PROMOTION_MESSAGES,
  promotionOfHolder,
  promotionWorkflowId,
  type TargetsChangedSignal,
} from '@sluice/temporal-contract';
import { recordEventOf } from './promotion-event.ts';

/** The next in line holds the lease already; the signal only wakes its workflow. */
export async function tellNext(tx: Tx, grant: LeaseGrant): Promise<void> {
  const { resource, fencingToken } = grant;
  const promotion = await getPromotionHead(tx, promotionOfHolder(grant.holder));
  await recordEventOf(tx, 'lease.granted', promotion, { resource, fencingToken });
  const input: LeaseGrantedSignal = { resource, fencingToken };
  await signal(tx, promotion.promotionId, PROMOTION_MESSAGES.leaseGranted, input);
}

/** Tells everyone who keeps a place in the queue but is not ready that their plan may be stale. */
export async function tellTargetsChanged(tx: Tx, resource: string): Promise<void> {
  const input: TargetsChangedSignal = { resource };
  for (const holder of await listUnready(tx, resource)) {
    await signal(tx, promotionOfHolder(holder), PROMOTION_MESSAGES.targetsChanged, input);
  }
}

/** Asks the relay to signal a promotion's workflow after the commit. */
export async function signal(
  tx: Tx,
  promotionId: string,
  name: string,
  input: unknown,
): Promise<void> {
  await enqueueOutbox(tx, {
    kind: 'signal-workflow',
    body: { workflowId: promotionWorkflowId(tx.tenantId, promotionId), signal: name, input },
  });
}
