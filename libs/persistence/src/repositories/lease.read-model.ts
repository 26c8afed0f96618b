import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** One lease: who may have effects on a resource now. The row stays when nobody does. */
export interface LeaseRecord {
  readonly resource: string;
  /** `promotion:<id>`; null when it is free. */
  readonly holder: string | null;
  /** Grows with each grant to a new holder; 0 before the first. */
  readonly fencingToken: number;
  readonly acquiredAt: string | null;
}

/** One place in the queue of a lease. */
export interface QueuePlaceRecord {
  readonly resource: string;
  readonly holder: string;
  /** One that is not ready keeps its place and is overtaken. */
  readonly ready: boolean;
  /** Orders the queue; numbers are left out. Whoever yields the lease gets its old number back. */
  readonly place: number;
  readonly enqueuedAt: string;
}

/** The columns of {@link LeaseRecord}, of the table `leases`. */
export const LEASE_COLUMNS = `resource, holder, fencing_token as "fencingToken", acquired_at as "acquiredAt"`;

/** A lease without its queue; undefined before anybody asked for it. */
export async function findLease(tx: Tx, resource: string): Promise<LeaseRecord | undefined> {
  return firstOf({ rows: await listLeases(tx, [resource]) });
}

/** A lease without its queue; throws `not-found` before anybody asked for it. */
export async function getLease(tx: Tx, resource: string): Promise<LeaseRecord> {
  return existing(await findLease(tx, resource), `lease ${resource}`, tx.tenantId);
}

/** Those of these leases that exist: for a batch loader. */
export async function listLeases(
  tx: Tx,
  resources: readonly string[],
): Promise<readonly LeaseRecord[]> {
  const { rows } = await tx.query<LeaseRecord>(
    `select ${LEASE_COLUMNS} from sluice.leases
      where tenant_id = $1 and resource = any($2)
      order by resource`,
    [tx.tenantId, resources],
  );
  return rows;
}

/** Who waits for these leases, first in line first; at most 1,000 places each: for a batch loader. */
export async function listLeaseQueues(
  tx: Tx,
  resources: readonly string[],
): Promise<readonly QueuePlaceRecord[]> {
  const { rows } = await tx.query<QueuePlaceRecord>(
    `select q.resource, q.holder, q.ready, q.place, q.enqueued_at as "enqueuedAt"
       from unnest($2::text[]) as wanted(resource)
      cross join lateral (
        select * from sluice.lease_queue
         where tenant_id = $1 and resource = wanted.resource
         order by place
         limit 1000) q
      order by q.resource, q.place`,
    [tx.tenantId, resources],
  );
  return rows;
}

/** Holders of the places in a queue that are not ready, in the order of their places; at most 1,000. */
export async function listUnready(tx: Tx, resource: string): Promise<readonly string[]> {
  const { rows } = await tx.query<{ holder: string }>(
    `select holder from sluice.lease_queue
      where tenant_id = $1 and resource = $2 and not ready
      order by place
      limit 1000`,
    [tx.tenantId, resource],
  );
  return rows.map(({ holder }) => holder);
}
