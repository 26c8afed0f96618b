import { digestOf } from '@sluice/pure';
import type { Pool, Queryable } from '../pool.ts';
import { inTransaction, type Tx } from '../transaction.ts';
import {
  EVENT_COLUMNS,
  EVENTS_CHANNEL,
  type EventRecord,
  listLinkedEvents,
} from './event.repository.ts';
import { firstOf } from './single-row.ts';

/** Events that one transaction of the linker takes at most. */
const BATCH = 500;

/**
 * Gives every committed, unlinked event its position and hash, tenant by tenant, and notifies {@link EVENTS_CHANNEL};
 * gives how many it linked.
 * For the role sluice_linker. Several linkers at once do no harm: a tenant that another one works on is left
 * to it.
 */
export async function linkEvents(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ tenantId: string }>(
    `select tenant_id as "tenantId" from sluice.tenants t
      where exists (select from sluice.events e where e.tenant_id = t.tenant_id and e.position is null)
      order by tenant_id`,
    [],
    'sluice-unlinked-tenants',
  );
  let linked = 0;
  const failures: unknown[] = [];
  for (const { tenantId } of rows) {
    try {
      linked += await linkTenant(pool, tenantId);
    } catch (error) {
      // One tenant's trouble must not hold up the chains of those behind it.
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return linked;
}

async function linkTenant(pool: Pool, tenantId: string): Promise<number> {
  let linked = 0;
  for (;;) {
    const count = await inTransaction(pool, (tx) => linkBatch(tx, tenantId));
    linked += count;
    if (count < BATCH) return linked;
  }
}

/**
 * The hash of a linked event: SHA-256 of the canonical JSON of its place, the hash before it and all that it
 * says. The tenant is in it, so that no chain fits in another's place.
 */
export function eventHash(
  tenantId: string,
  event: Omit<EventRecord, 'position' | 'hash'> & { readonly position: number },
): string {
  return digestOf({
    position: event.position,
    previousHash: event.previousHash,
    event: {
      tenantId,
      id: event.eventId,
      type: event.type,
      actor: event.actor,
      subject: event.subject,
      promotionId: event.promotionId,
      data: event.data,
      traceId: event.traceId,
      occurredAt: event.occurredAt,
    },
  });
}

/** What {@link verifyEventChain} found; `position` names the first event that does not fit. */
export type ChainVerdict =
  | { readonly ok: true; readonly length: number }
  | { readonly ok: false; readonly position: number; readonly message: string };

/** Computes a tenant's whole chain again and compares. Reads 1,000 events at a time. */
export async function verifyEventChain(tx: Tx): Promise<ChainVerdict> {
  let position = 0;
  let previousHash: string | null = null;
  for (;;) {
    const events: readonly EventRecord[] = await listLinkedEvents(tx, { after: position });
    for (const event of events) {
      position += 1;
      if (event.position !== position) {
        return { ok: false, position, message: `Event ${position} of the chain is missing.` };
      }
      if (event.previousHash !== previousHash) {
        return { ok: false, position, message: `Event ${position} names another event before it.` };
      }
      if (event.hash !== eventHash(tx.tenantId, { ...event, position })) {
        return {
          ok: false,
          position,
          message: `Event ${position} was changed after it was linked.`,
        };
      }
      previousHash = event.hash;
    }
    if (events.length === 0) return { ok: true, length: position };
  }
}

/** An unlinked event, and the head of the chain that it comes behind. */
interface UnlinkedRow extends EventRecord {
  readonly headPosition: number | null;
  readonly headHash: string | null;
}

async function linkBatch(tx: Queryable, tenantId: string): Promise<number> {
  // On its own: what is read after it is newer than what the linker before this one wrote.
  const lock = firstOf(
    await tx.query<{ mine: boolean }>(
      `select pg_try_advisory_xact_lock(hashtextextended('sluice.event_chain:' || $1, 0)) as mine`,
      [tenantId],
      'sluice-lock-chain',
    ),
  );
  if (lock?.mine !== true) return 0;
  const { rows } = await tx.query<UnlinkedRow>(
    `select e.*, c.position as "headPosition", c.hash as "headHash"
       from (select ${EVENT_COLUMNS}, arrival from sluice.events
              where tenant_id = $1 and position is null
              order by arrival
              limit $2) e
       left join sluice.event_chains c on c.tenant_id = $1
      order by e.arrival`,
    [tenantId, BATCH],
    'sluice-unlinked-events',
  );
  const [first] = rows;
  if (first === undefined) return 0;
  let position = first.headPosition ?? 0;
  let previousHash = first.headHash;
  const links = rows.map((event) => {
    position += 1;
    const hash = eventHash(tenantId, { ...event, position, previousHash });
    const link = { id: event.eventId, position, previousHash, hash };
    previousHash = hash;
    return link;
  });
  await tx.query(
    `with linked as (
       update sluice.events e set position = l.position, previous_hash = l.previous_hash, hash = l.hash
         from unnest($2::text[], $3::bigint[], $4::text[], $5::text[]) as l(id, position, previous_hash, hash)
        where e.tenant_id = $1 and e.event_id = l.id),
      head as (
       insert into sluice.event_chains (tenant_id, position, hash) values ($1, $6, $7)
       on conflict (tenant_id) do update set position = excluded.position, hash = excluded.hash
       returning tenant_id)
     select pg_notify('${EVENTS_CHANNEL}', tenant_id) from head`,
    [
      tenantId,
      links.map((link) => link.id),
      links.map((link) => link.position),
      links.map((link) => link.previousHash),
      links.map((link) => link.hash),
      position,
      previousHash,
    ],
    'sluice-link-events',
  );
  return rows.length;
}
