import type { PromotionKind, PromotionState } from '@sluice/domain';
import type { Queryable } from '../pool.ts';

/** A promotion that has not ended, of whatever tenant. */
export interface OpenPromotionRecord {
  readonly tenantId: string;
  readonly promotionId: string;
  readonly environment: string;
  readonly releaseDigest: string;
  readonly kind: PromotionKind;
  readonly state: PromotionState;
  readonly traceparent: string;
  readonly supersededBy: string | null;
  /** True while the outbox still holds a start or reset of its workflow, or of its settlement. */
  readonly startPending: boolean;
}

/** A lease, or a place in its queue, that a promotion keeps which has ended. */
export interface EndedHolderRecord {
  readonly tenantId: string;
  readonly resource: string;
  readonly promotionId: string;
}

/**
 * Promotions of all tenants that were asked for longer ago and have not ended, in the order of tenant and id; at most
 * `limit`. The next page begins behind `after`, which is the last one of the page before. For the role sluice_watchdog.
 */
export async function listOpenPromotions(
  database: Queryable,
  input: {
    readonly olderThanSeconds: number;
    readonly limit: number;
    readonly after?: Pick<OpenPromotionRecord, 'tenantId' | 'promotionId'> | undefined;
  },
): Promise<readonly OpenPromotionRecord[]> {
  const { rows } = await database.query<OpenPromotionRecord>(
    `select p.tenant_id as "tenantId", p.promotion_id as "promotionId", p.environment_id as environment,
            p.release_digest as "releaseDigest", p.kind, p.state, p.traceparent,
            p.superseded_by as "supersededBy",
            exists (
              select from sluice.outbox o
               where o.tenant_id = p.tenant_id and o.delivered_at is null
                 and o.kind in ('start-workflow', 'reset-workflow')
                 and o.workflow_id in ('promotion/' || p.tenant_id || '/' || p.promotion_id,
                                       'settlement/' || p.tenant_id || '/' || p.promotion_id)
            ) as "startPending"
       from sluice.promotions p
      where p.ended_at is null and p.requested_at < now() - make_interval(secs => $1)
        and (p.tenant_id, p.promotion_id) > ($2, $3)
      order by p.tenant_id, p.promotion_id
      limit $4`,
    [
      input.olderThanSeconds,
      input.after?.tenantId ?? '',
      input.after?.promotionId ?? '',
      input.limit,
    ],
  );
  return rows;
}

/** Leases, and places in their queues, of promotions that have ended; at most `limit`. For the role sluice_watchdog. */
export async function listLeasesOfEnded(
  database: Queryable,
  input: { readonly limit: number },
): Promise<readonly EndedHolderRecord[]> {
  const { rows } = await database.query<EndedHolderRecord>(
    `select kept.tenant_id as "tenantId", kept.resource, p.promotion_id as "promotionId"
       from (select tenant_id, resource, holder from sluice.leases where holder is not null
             union
             select tenant_id, resource, holder from sluice.lease_queue) kept
       join sluice.promotions p
         on p.tenant_id = kept.tenant_id and p.promotion_id = substr(kept.holder, length('promotion:') + 1)
      where kept.holder = 'promotion:' || p.promotion_id and p.ended_at is not null
      order by 1, 2, 3
      limit $1`,
    [input.limit],
  );
  return rows;
}

/** Every tenant, in the order of their ids. For the role sluice_watchdog. */
export async function listTenantIds(database: Queryable): Promise<readonly string[]> {
  const { rows } = await database.query<{ tenantId: string }>(
    `select tenant_id as "tenantId" from sluice.tenants order by tenant_id`,
  );
  return rows.map(({ tenantId }) => tenantId);
}
