import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { LEASE_COLUMNS, type LeaseRecord } from './lease.read-model.ts';
import { existing, firstOf } from './single-row.ts';

/** Whose lease, and of what. */
export interface LeaseClaim {
  /** `environment:<name>`. */
  readonly resource: string;
  /** `promotion:<id>`. */
  readonly holder: string;
}

/** That a lease was given to somebody. */
export interface LeaseGrant extends LeaseClaim {
  readonly fencingToken: number;
}

/** What {@link takeLease} came to. `position` counts from 1 among those who wait. */
export type LeaseOutcome =
  | { readonly state: 'granted'; readonly fencingToken: number }
  | { readonly state: 'queued'; readonly position: number; readonly holder: string };

/**
 * Enters the queue of a lease without wanting it yet: a place that is not ready is overtaken, and kept. False for whoever
 * is in the queue, or holds the lease, already.
 */
export async function enterQueue(tx: Tx, { resource, holder }: LeaseClaim): Promise<boolean> {
  const lease = await lockOrMakeLease(tx, resource);
  if (lease.holder === holder) return false;
  const { rowCount } = await tx.query(
    `insert into sluice.lease_queue (tenant_id, resource, holder, ready) values ($1, $2, $3, false)
     on conflict (tenant_id, resource, holder) do nothing`,
    [tx.tenantId, resource, holder],
  );
  return rowCount === 1;
}

/**
 * Makes the own place in the queue of a lease ready, entering the queue where there is none, and takes the lease when it
 * is free and nobody who is ready stands before. Repeating it is harmless: a holder keeps lease and token, a waiter its
 * place. A promotion that a rollback took the lease from is told to wait, and gets no place.
 * Throws `illegal-transition` for a promotion that has ended.
 */
export async function takeLease(tx: Tx, { resource, holder }: LeaseClaim): Promise<LeaseOutcome> {
  const lease = await lockOrMakeLease(tx, resource);
  if (lease.holder === holder) return { state: 'granted', fencingToken: lease.fencingToken };
  const supersededBy = await findSuperseder(tx, holder);
  if (supersededBy !== null) {
    return { state: 'queued', position: 1, holder: lease.holder ?? supersededBy };
  }
  await tx.query(
    `insert into sluice.lease_queue as q (tenant_id, resource, holder) values ($1, $2, $3)
     on conflict (tenant_id, resource, holder) do update set ready = true where not q.ready`,
    [tx.tenantId, resource, holder],
  );
  const granted = lease.holder === null ? await grantNext(tx, resource) : undefined;
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
    holder: granted?.holder ?? lease.holder ?? place.head,
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
 * Takes a lease from whoever holds it, with a higher token, past the queue. `previous` is who held it: null when it was
 * free, and when the caller holds it already (a repeated call keeps its token). The queue stays as it is.
 * Throws `illegal-transition` for a promotion that has ended, or that another one took the lease from: a call that is
 * repeated late takes nothing back.
 */
export async function preemptLease(
  tx: Tx,
  { resource, holder }: LeaseClaim,
): Promise<{ readonly fencingToken: number; readonly previous: string | null }> {
  const lease = await lockOrMakeLease(tx, resource);
  if (lease.holder === holder) return { fencingToken: lease.fencingToken, previous: null };
  const supersededBy = await findSuperseder(tx, holder);
  if (supersededBy !== null) {
    throw new PersistenceError(
      'illegal-transition',
      `${supersededBy} took ${resource} from ${holder}, which gets it no more: ask for another rollback.`,
    );
  }
  await leaveQueue(tx, { resource, holder });
  const { rows } = await tx.query<{ fencingToken: number }>(
    `update sluice.leases l
        set holder = $3, acquired_at = now(), holder_place = null, holder_enqueued_at = null,
            fencing_token = ${NEXT_TOKEN}
      where l.tenant_id = $1 and l.resource = $2
     returning fencing_token as "fencingToken"`,
    [tx.tenantId, resource, holder],
  );
  const { fencingToken } = existing(rows[0], `lease ${resource}`, tx.tenantId);
  return { fencingToken, previous: lease.holder };
}

/**
 * Gives a lease back and goes to the place in its queue that the holder had, not ready. Whoever is ready and first then
 * holds it and is named in `grantedTo`: tell them. Repeating it is harmless.
 */
export async function yieldLease(
  tx: Tx,
  { resource, holder }: LeaseClaim,
): Promise<{ readonly grantedTo: LeaseGrant | null }> {
  const lease = await lockLease(tx, resource);
  if (lease?.holder !== holder) return { grantedTo: null };
  const { rowCount } = await tx.query(
    `insert into sluice.lease_queue (tenant_id, resource, holder, place, ready, enqueued_at)
     overriding system value
     select tenant_id, resource, holder, holder_place, false, holder_enqueued_at from sluice.leases
      where tenant_id = $1 and resource = $2 and holder_place is not null`,
    [tx.tenantId, resource],
  );
  await freeLease(tx, resource);
  // Whoever came past the queue goes to its end.
  if (rowCount === 0) await enterQueue(tx, { resource, holder });
  return { grantedTo: (await grantNext(tx, resource)) ?? null };
}

/**
 * Gives a lease, and the place in its queue, back. Whoever is ready and first then holds it with the next
 * token and is named in `grantedTo`: tell them. Repeating it is harmless (`released: false`).
 */
export async function releaseLease(
  tx: Tx,
  { resource, holder }: LeaseClaim,
): Promise<{ readonly released: boolean; readonly grantedTo: LeaseGrant | null }> {
  const lease = await lockLease(tx, resource);
  if (lease === undefined) return { released: false, grantedTo: null };
  const left = await leaveQueue(tx, { resource, holder });
  if (lease.holder !== holder) return { released: left, grantedTo: null };
  await freeLease(tx, resource);
  return { released: true, grantedTo: (await grantNext(tx, resource)) ?? null };
}

async function leaveQueue(tx: Tx, { resource, holder }: LeaseClaim): Promise<boolean> {
  const { rowCount } = await tx.query(
    `delete from sluice.lease_queue where tenant_id = $1 and resource = $2 and holder = $3`,
    [tx.tenantId, resource, holder],
  );
  return rowCount > 0;
}

async function freeLease(tx: Tx, resource: string): Promise<void> {
  await tx.query(
    `update sluice.leases
        set holder = null, acquired_at = null, holder_place = null, holder_enqueued_at = null
      where tenant_id = $1 and resource = $2`,
    [tx.tenantId, resource],
  );
}

/** The lock of the lease's row is what makes every change of lease and queue one after the other. */
async function lockLease(tx: Tx, resource: string): Promise<LeaseRecord | undefined> {
  return firstOf(
    await tx.query<LeaseRecord>(
      `select ${LEASE_COLUMNS} from sluice.leases where tenant_id = $1 and resource = $2 for update`,
      [tx.tenantId, resource],
    ),
  );
}

/**
 * A lease as it is until this transaction ends: nobody else changes it or its queue meanwhile. The row is made when nobody
 * asked for the lease before.
 */
export async function lockOrMakeLease(tx: Tx, resource: string): Promise<LeaseRecord> {
  const lease = await lockLease(tx, resource);
  if (lease !== undefined) return lease;
  await tx.query(
    `insert into sluice.leases (tenant_id, resource) values ($1, $2) on conflict do nothing`,
    [tx.tenantId, resource],
  );
  return existing(await lockLease(tx, resource), `lease ${resource}`, tx.tenantId);
}

/** Who took the lease from this holder before; null when nobody did. Read under the lease's lock. */
async function findSuperseder(tx: Tx, holder: string): Promise<string | null> {
  const promotionId = /^promotion:(.+)$/.exec(holder)?.[1];
  if (promotionId === undefined) return null;
  const row = firstOf(
    await tx.query<{ ended: boolean; supersededBy: string | null }>(
      `select ended_at is not null as ended, 'promotion:' || superseded_by as "supersededBy"
         from sluice.promotions
        where tenant_id = $1 and promotion_id = $2`,
      [tx.tenantId, promotionId],
    ),
  );
  if (row?.ended === true) {
    throw new PersistenceError(
      'illegal-transition',
      `Promotion ${promotionId} has ended and gets no lease: promote again.`,
    );
  }
  return row?.supersededBy ?? null;
}

/**
 * Above the lease's last token and above what any target of the environment was last commanded with: one that came from
 * another environment knows that one's tokens, and would refuse lower ones for ever.
 */
const NEXT_TOKEN = `1 + greatest(l.fencing_token, (
                select max(last.fencing_token) from sluice.targets t
                 cross join lateral (
                   select c.fencing_token from sluice.commands c
                    where c.tenant_id = $1 and c.target_id = t.target_id
                    order by c.sequence desc
                    limit 1) last
                 where t.tenant_id = $1 and 'environment:' || t.environment_id = $2))`;

/** Gives a free, locked lease to the first in line that is ready. */
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
         returning holder, place, enqueued_at)
       update sluice.leases l
          set holder = next.holder, acquired_at = now(), holder_place = next.place,
              holder_enqueued_at = next.enqueued_at, fencing_token = ${NEXT_TOKEN}
         from next
        where l.tenant_id = $1 and l.resource = $2
       returning l.resource, l.holder, l.fencing_token as "fencingToken"`,
      [tx.tenantId, resource],
    ),
  );
}
