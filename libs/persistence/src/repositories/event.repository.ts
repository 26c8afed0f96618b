import { randomUUID } from 'node:crypto';
import type { AuditEvent, EventType } from '@sluice/domain';
import { decodeCursor, encodeCursor, type Page, type PageRequest, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';
import { storableJson } from './storable.ts';

/** A stored audit event. */
export interface EventRecord extends AuditEvent {
  readonly eventId: string;
  readonly promotionId: string | null;
  readonly occurredAt: string;
  /** Place in the tenant's hash chain, from 1; null until linked. */
  readonly position: number | null;
  /** Hash of the event before; null for the first and until linked. */
  readonly previousHash: string | null;
  readonly hash: string | null;
}

/** The columns of {@link EventRecord}, of the table `events`. */
export const EVENT_COLUMNS = `event_id as "eventId", type, actor, subject, promotion_id as "promotionId", data,
  trace_id as "traceId", occurred_at as "occurredAt", position, previous_hash as "previousHash", hash`;

/** Notified when events were linked; the payload is the tenant's id. */
export const EVENTS_CHANNEL = 'sluice_events';

/** Notified without a payload when events were stored that are to be linked. */
export const UNLINKED_CHANNEL = 'sluice_unlinked';

/** Stores an event with the change that it tells of, unlinked, and wakes the linker at commit; gives its id. */
export async function insertEvent(
  tx: Tx,
  event: AuditEvent & { readonly promotionId?: string | null },
): Promise<string> {
  const eventId = randomUUID();
  await tx.query(
    `with stored as (
       insert into sluice.events (tenant_id, event_id, type, actor, subject, promotion_id, data, trace_id)
       values ($1, $2, $3, $4, $5, $6, $7, $8)
       returning event_id)
     select pg_notify('${UNLINKED_CHANNEL}', '') from stored`,
    [
      tx.tenantId,
      eventId,
      event.type,
      event.actor,
      event.subject,
      event.promotionId ?? null,
      storableJson(event.data),
      event.traceId,
    ],
  );
  return eventId;
}

/** An event as {@link insertEventsOf} takes it, with an id of its own. */
export function toEventBody({
  type,
  actor,
  subject,
  promotionId,
  data,
  traceId,
}: AuditEvent & { readonly promotionId?: string | null }): Readonly<Record<string, unknown>> {
  return { id: randomUUID(), type, actor, subject, promotionId, data, traceId };
}

/**
 * SQL that stores events with the changes that they tell of, for a statement whose first value is the tenant.
 * @param changes name of a part of the statement whose rows have a `body`, null where nothing is told, and a `place` in their order
 */
export function insertEventsOf(changes: string): string {
  return `insert into sluice.events (tenant_id, event_id, type, actor, subject, promotion_id, data, trace_id)
    select $1, e.body ->> 'id', e.body ->> 'type', e.body ->> 'actor', e.body ->> 'subject',
           e.body ->> 'promotionId', e.body -> 'data', e.body ->> 'traceId'
      from ${changes} as e
     where e.body is not null
     order by e.place
    returning event_id`;
}

/** SQL of a column that wakes the linker at commit, when {@link insertEventsOf} has stored something under this name. */
export function notifyUnlinked(stored: string): string {
  return `(select pg_notify('${UNLINKED_CHANNEL}', '') from (select from ${stored} limit 1) one) as notified`;
}

/** {@link insertEvent} of several, in this order. */
export async function insertEvents(
  tx: Tx,
  events: readonly (AuditEvent & { readonly promotionId?: string | null })[],
): Promise<void> {
  if (events.length === 0) return;
  await tx.query(
    `with given as (
       select e.body, e.place from jsonb_array_elements($2::jsonb) with ordinality as e(body, place)),
      stored as (${insertEventsOf('given')})
     select ${notifyUnlinked('stored')}`,
    [tx.tenantId, storableJson(events.map(toEventBody))],
  );
}

/**
 * Events, oldest first; of one promotion when it is named. Linked events come in the order of their chain,
 * those not yet linked behind them. The cursor of an unlinked event is that of the last linked one before it:
 * a reader who goes on from there may see it twice (recognise it by its id), but never misses one.
 */
export async function listEvents(
  tx: Tx,
  request: PageRequest & { readonly promotionId?: string | null | undefined },
): Promise<Page<EventRecord>> {
  const limit = rowsToRead(request);
  const after = Number(decodeCursor(request.after, ['number'])?.[0] ?? 0);
  const one = request.promotionId === undefined || request.promotionId === null;
  const scope = one ? '$4::text is null' : 'promotion_id = $4';
  // One statement, hence one snapshot: an event that is being linked is seen once, before or after.
  const { rows } = await tx.query<EventRecord>(
    `select ${EVENT_COLUMNS} from (
       (select * from sluice.events
         where tenant_id = $1 and ${scope} and position > $2
         order by position
         limit $3)
       union all
       (select * from sluice.events
         where tenant_id = $1 and ${scope} and position is null
         order by arrival
         limit $3)) e
      order by e.position nulls last, e.arrival
      limit $3`,
    [tx.tenantId, after, limit, request.promotionId ?? null],
  );
  let linked = after;
  const edges = rows.slice(0, request.first).map((node) => {
    linked = node.position ?? linked;
    return { cursor: encodeCursor([linked]), node };
  });
  return {
    edges,
    hasNextPage: rows.length > request.first,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
}

/**
 * Linked events of the tenant after a position, in chain order; at most `limit`, 1,000 when absent. Of one promotion, or
 * of some types only, when those are named.
 */
export async function listLinkedEvents(
  tx: Tx,
  input: {
    readonly after: number;
    readonly limit?: number;
    readonly promotionId?: string;
    readonly types?: readonly EventType[];
  },
): Promise<readonly EventRecord[]> {
  const values: unknown[] = [tx.tenantId, input.after, Math.min(input.limit ?? 1000, 1000)];
  const scopes: string[] = [];
  if (input.promotionId !== undefined)
    scopes.push(`and promotion_id = $${values.push(input.promotionId)}`);
  if (input.types !== undefined) scopes.push(`and type = any($${values.push(input.types)})`);
  const { rows } = await tx.query<EventRecord>(
    `select ${EVENT_COLUMNS} from sluice.events
      where tenant_id = $1 and position > $2 ${scopes.join(' ')}
      order by position
      limit $3`,
    values,
  );
  return rows;
}

/** Position of the tenant's newest linked event; 0 before the first. Whoever goes on from there misses nothing. */
export async function readChainHead(tx: Tx): Promise<number> {
  const row = firstOf(
    await tx.query<{ head: number }>(
      `select coalesce(max(position), 0) as head from sluice.events where tenant_id = $1`,
      [tx.tenantId],
    ),
  );
  return row?.head ?? 0;
}
