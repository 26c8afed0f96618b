import { traceIdOf } from '@sluice/domain';
import {
  assertPromotionOpen,
  enqueueOutbox,
  findLease,
  getPromotion,
  insertEvent,
  type LeaseGrant,
  releaseLease,
  type Tx,
  takeLease,
  withTenant,
} from '@sluice/persistence';
import {
  type InterpreterActivities,
  type LeaseGrantedSignal,
  PROMOTION_MESSAGES,
  promotionWorkflowId,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { runActivity } from '../run-activity.ts';
import { workflowActor } from '../step/settle-step.ts';

/** A promotion as a lease's holder: `promotion:<id>`. */
export function leaseHolder(promotionId: string): string {
  return `promotion:${promotionId}`;
}

/** `takeLease` and `releaseLease`. */
export function createLeaseActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
): Pick<InterpreterActivities, 'takeLease' | 'releaseLease'> {
  return {
    takeLease: ({ promotion: { tenantId, promotionId }, resource }) =>
      runActivity(parts, 'takeLease', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          // An attempt that was given up may come late: nobody would give back what it takes after the end.
          await assertPromotionOpen(tx, promotionId);
          const holder = leaseHolder(promotionId);
          const before = await findLease(tx, resource);
          const answer = await takeLease(tx, { resource, holder });
          // A holder that asks again was granted before: that is told once.
          if (answer.state === 'granted' && before?.holder !== holder) {
            await recordGrant(tx, promotionId, resource, answer.fencingToken);
          }
          return answer;
        }),
      ),

    releaseLease: ({ promotion: { tenantId, promotionId }, resource }) =>
      runActivity(parts, 'releaseLease', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const holder = leaseHolder(promotionId);
          const { released, grantedTo } = await releaseLease(tx, { resource, holder });
          if (!released) return;
          await recordEvent(tx, 'lease.released', promotionId, { resource });
          if (grantedTo !== null) await tellNext(tx, grantedTo);
        }),
      ),
  };
}

/** The next in line holds the lease already; the signal only wakes its workflow. */
async function tellNext(tx: Tx, grant: LeaseGrant): Promise<void> {
  const promotionId = grant.holder.slice('promotion:'.length);
  await recordGrant(tx, promotionId, grant.resource, grant.fencingToken);
  const input: LeaseGrantedSignal = {
    resource: grant.resource,
    fencingToken: grant.fencingToken,
  };
  await enqueueOutbox(tx, {
    kind: 'signal-workflow',
    body: {
      workflowId: promotionWorkflowId(tx.tenantId, promotionId),
      signal: PROMOTION_MESSAGES.leaseGranted,
      input,
    },
  });
}

async function recordGrant(
  tx: Tx,
  promotionId: string,
  resource: string,
  fencingToken: number,
): Promise<void> {
  await recordEvent(tx, 'lease.granted', promotionId, { resource, fencingToken });
}

async function recordEvent(
  tx: Tx,
  type: 'lease.granted' | 'lease.released',
  promotionId: string,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  const promotion = await getPromotion(tx, promotionId);
  await insertEvent(tx, {
    type,
    actor: workflowActor(tx.tenantId, promotionId),
    subject: `promotion:${promotionId}`,
    promotionId,
    data,
    traceId: traceIdOf(promotion.traceparent) ?? null,
  });
}
