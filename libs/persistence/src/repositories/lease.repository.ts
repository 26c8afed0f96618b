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
  readonly enqueuedAt: string;
}

/** That a lease was given to somebody. */
export interface LeaseGrant {
  readonly resource: string;
  readonly holder: string;
  readonly fencingToken: number;
}

/** What {@link takeLease} came to. `position` counts from 1 among those who wait. */
export type LeaseOutcome =
  | { readonly state: 'granted'; readonly fencingToken: number }
  | { readonly state: 'queued'; readonly position: number; readonly holder: string };

const COLUMNS = `resource, holder, fencing_token as "fencingToken", acquired_at as "acquiredAt"`;

/**
 * Enters the queue of a lease, and takes it when it is free and nobody who is ready stands before. Repeating
 * it is harmless: a holder keeps lease and token, a waiter its place.
 */
export async function takeLease(
  tx: Tx,
  input: { readonly resource: string; readonly holder: string },
): Promise<LeaseOutcome> {
  const { resource, holder } = input;
  await tx.query(
    `insert into sluice.leases (tenant_id, resource) values ($1, $2) on conflict do nothing`,
    [tx.tenantId, resource],
  );
  const lease = await lockLease(tx, resource);
  if (lease?.holder === holder) return { state: 'granted', fencingToken: lease.fencingToken };
  await tx.query(
    `insert into sluice.lease_queue (tenant_id, resource, holder) values ($1, $2, $3)
     on conflict (tenant_id, resource, holder) do nothing`,
    [tx.tenantId, resource, holder],
  );
  const granted = lease?.holder === null ? await grantNext(tx, resource) : undefined;
  if (granted?.holder === holder) return { state: 'granted', fencingToken: granted.fencingToken };
  const { rows } = await tx.query<{ position: number; head: string }>(
    `select count(*) as position, (array_agg(q.holder order by q.place))[1] as head
       from sluice.lease_queue q
       join sluice.lease_queue mine using (tenant_id, resource)
      where q.tenant_id = $1 and q.resource = $2 and mine.holder = $3 and q.place <= mine.place`,
    [tx.tenantId, resource, holder],
  );
  const place = existing(rows[0], `place in the queue of ${resource}`, tx.tenantId);
  return {
    state: 'queued',
    position: place.position,
    holder: granted?.holder ?? lease?.holder ?? place.head,
  };
}

/**
 * Takes several leases, or a place in the queue of each, in sorted order, so that two who want the same ones
 * never wait for each other in a circle. One answer per resource, by its name.
 */
export async function takeLeases(
  tx: Tx,
  input: { readonly resources: readonly string[]; readonly holder: string },
): Promise<ReadonlyMap<string, LeaseOutcome>> {
  const answers = new Map<string, LeaseOutcome>();
  for (const resource of [...new Set(input.resources)].sort()) {
    answers.set(resource, await takeLease(tx, { resource, holder: input.holder }));
  }
  return answers;
}

/**
 * Gives a lease, and the place in its queue, back. Whoever is ready and first then holds it with the next
 * token and is named in `grantedTo`: tell them. Repeating it is harmless (`released: false`).
 */
export async function releaseLease(
  tx: Tx,
  input: { readonly resource: string; readonly holder: string },
): Promise<{ readonly released: boolean; readonly grantedTo: LeaseGrant | null }> {
  const { resource, holder } = input;
  const lease = await lockLease(tx, resource);
  if (lease === undefined) return { released: false, grantedTo: null };
  const left = await tx.query(
    `delete from sluice.lease_queue where tenant_id = $1 and resource = $2 and holder = $3`,
    [tx.tenantId, resource, holder],
  );
  if (lease.holder !== holder) return { released: left.rowCount > 0, grantedTo: null };
  await tx.query(
    `update sluice.leases set holder = null, acquired_at = null where tenant_id = $1 and resource = $2`,
    [tx.tenantId, resource],
  );
  return { released: true, grantedTo: (await grantNext(tx, resource)) ?? null };
}

/**
 * Says whether a waiter could start now. Becoming ready takes a free lease at once; whoever it was granted to
 * comes back, null when nobody.
 */
export async function setLeaseReady(
  tx: Tx,
  input: { readonly resource: string; readonly holder: string; readonly ready: boolean },
): Promise<LeaseGrant | null> {
  const { resource, holder, ready } = input;
  const lease = await lockLease(tx, resource);
  await tx.query(
    `update sluice.lease_queue set ready = $4 where tenant_id = $1 and resource = $2 and holder = $3`,
    [tx.tenantId, resource, holder, ready],
  );
  if (lease === undefined || lease.holder !== null) return null;
  return (await grantNext(tx, resource)) ?? null;
}

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
    `select ${COLUMNS} from sluice.leases where tenant_id = $1 and resource = any($2) order by resource`,
    [tx.tenantId, resources],
  );
  return rows;
}

/** Who waits for these leases, first in line first; at most 1,000 places: for a batch loader. */
export async function listLeaseQueues(
  tx: Tx,
  resources: readonly string[],
): Promise<readonly QueuePlaceRecord[]> {
  const { rows } = await tx.query<QueuePlaceRecord>(
    `select resource, holder, ready, enqueued_at as "enqueuedAt" from sluice.lease_queue
      where tenant_id = $1 and resource = any($2)
      order by resource, place
      limit 1000`,
    [tx.tenantId, resources],
  );
  return rows;
}

/** The lock of the lease's row is what makes every change of lease and queue one after the other. */
async function lockLease(tx: Tx, resource: string): Promise<LeaseRecord | undefined> {
  return firstOf(
    await tx.query<LeaseRecord>(
      `select ${COLUMNS} from sluice.leases where tenant_id = $1 and resource = $2 for update`,
      [tx.tenantId, resource],
    ),
  );
}

/**
 * Gives a free, locked lease to the first in line that is ready. The token is above the lease's last one and above
 * what any target of the environment was last commanded with: one that came from another environment knows
 * that one's tokens, and would refuse lower ones for ever.
 */
async function grantNext(tx: Tx, resource: string): Promise<LeaseGrant | undefined> {
  return firstOf(
    await tx.query<LeaseGrant>(
      `with next as (
         delete from sluice.lease_queue
          where tenant_id = $1 and resource = $2 and holder = (
            select holder from sluice.lease_queue
             where tenant_id = $1 and resource = $2 and ready
             order by place
             limit 1)
         returning holder)
       update sluice.leases l
          set holder = next.holder, acquired_at = now(),
              fencing_token = 1 + greatest(l.fencing_token, (
                select max(last.fencing_token) from sluice.targets t
                 cross join lateral (
                   select c.fencing_token from sluice.commands c
                    where c.tenant_id = $1 and c.target_id = t.target_id
                    order by c.sequence desc
                    limit 1) last
                 where t.tenant_id = $1 and 'environment:' || t.environment_id = $2))
         from next
        where l.tenant_id = $1 and l.resource = $2
       returning l.resource, l.holder, l.fencing_token as "fencingToken"`,
      [tx.tenantId, resource],
    ),
  );
}
