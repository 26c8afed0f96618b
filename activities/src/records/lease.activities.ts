import { isPromotionEnd } from '@sluice/domain';
import {
  assertPromotionOpen,
  getPromotionHead,
  lockOrMakeLease,
  type Pool,
  type PromotionRecord,
  releaseLease,
  type Tx,
  takeLease,
  withTenant,
  yieldLease,
} from '@sluice/persistence';
import {
  environmentLease,
  type InterpreterActivities,
  leaseHolder,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { runActivity } from '../run-activity.ts';
import { tellNext, tellTargetsChanged } from './lease-records.ts';
import { preempt } from './preempt-lease.ts';
import { recordEventOf } from './promotion-event.ts';

type LeaseParts = Pick<
  ActivityDependencies,
  'pool' | 'logger' | 'scope' | 'observe' | 'supersedeGraceSeconds'
>;

/** `takeLease`, `yieldLease` and `releaseLease`. */
export function createLeaseActivities(
  parts: LeaseParts,
): Pick<InterpreterActivities, 'takeLease' | 'yieldLease' | 'releaseLease'> {
  return {
    takeLease: ({ promotion: { tenantId, promotionId }, resource, preempt: preempts }) =>
      runActivity(parts, 'takeLease', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          // An attempt that was given up may come late: nobody would give back what it takes after the end.
          await assertPromotionOpen(tx, promotionId);
          const promotion = await getPromotionHead(tx, promotionId);
          if (preempts === true) {
            return preempt(tx, promotion, resource, parts.supersedeGraceSeconds);
          }
          const holder = leaseHolder(promotionId);
          // Under the lock: of attempts at the same instant one alone finds that it was not granted before.
          const before = await lockOrMakeLease(tx, resource);
          const answer = await takeLease(tx, { resource, holder });
          // A holder that asks again was granted before: that is told once.
          if (answer.state === 'granted' && before.holder !== holder) {
            const { fencingToken } = answer;
            await recordEventOf(tx, 'lease.granted', promotion, { resource, fencingToken });
          }
          return answer;
        }),
      ),

    yieldLease: ({ promotion: { tenantId, promotionId }, resource }) =>
      runActivity(parts, 'yieldLease', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          await assertPromotionOpen(tx, promotionId);
          const holder = leaseHolder(promotionId);
          const before = await lockOrMakeLease(tx, resource);
          const { grantedTo } = await yieldLease(tx, { resource, holder });
          if (before.holder === holder) {
            const promotion = await getPromotionHead(tx, promotionId);
            await recordEventOf(tx, 'lease.yielded', promotion, { resource });
          }
          if (grantedTo !== null) await tellNext(tx, grantedTo);
        }),
      ),

    releaseLease: ({ promotion: { tenantId, promotionId }, resource }) =>
      runActivity(parts, 'releaseLease', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          await giveBack(tx, await getPromotionHead(tx, promotionId), resource);
        }),
      ),
  };
}

/**
 * For the watchdog: gives back a lease, or a place in its queue, that a promotion still has which has ended, and tells the
 * next in line. False when it had none any more.
 * @throws PersistenceError `not-found` for no promotion
 */
export async function releaseLeaseOfEnded(
  pool: Pool,
  { tenantId, promotionId, resource }: EndedHolder,
): Promise<boolean> {
  return withTenant(pool, tenantId, async (tx) => {
    const promotion = await getPromotionHead(tx, promotionId);
    return isPromotionEnd(promotion.state) && giveBack(tx, promotion, resource, 'system:watchdog');
  });
}

/** A promotion that has ended, and what it may still hold. */
export interface EndedHolder {
  readonly tenantId: string;
  readonly promotionId: string;
  readonly resource: string;
}

async function giveBack(
  tx: Tx,
  promotion: PromotionRecord,
  resource: string,
  actor?: string,
): Promise<boolean> {
  const holder = leaseHolder(promotion.promotionId);
  const { released, grantedTo } = await releaseLease(tx, { resource, holder });
  if (!released) return false;
  await recordEventOf(tx, 'lease.released', promotion, { resource }, actor);
  if (grantedTo !== null) await tellNext(tx, grantedTo);
  // The turn of a concurrency group says nothing of targets.
  if (resource !== environmentLease(promotion.environment)) return true;
  // A rollback that failed has changed the targets too.
  if (promotion.state === 'succeeded' || promotion.kind === 'rollback') {
    await tellTargetsChanged(tx, resource);
  }
  return true;
}
