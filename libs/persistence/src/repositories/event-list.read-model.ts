import { decodeCursor, encodeCursor, type Page, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import { EVENT_COLUMNS, type EventRecord } from './event.repository.ts';

/**
 * One page of events for each of several promotions, in the order of `requests`: `listEvents` as a batch, with
 * one statement however many promotions there are.
 */
export async function listEventsOf(
  tx: Tx,
  requests: readonly { readonly promotionId: string; readonly after?: string | null | undefined }[],
  first: number,
): Promise<readonly Page<EventRecord>[]> {
  const limit = rowsToRead({ first });
  const starts = requests.map(({ after }) => Number(decodeCursor(after, ['number'])?.[0] ?? 0));
  const { rows } = await tx.query<EventRecord & { readonly asked: number; readonly place: number }>(
    `select k.n::integer as asked, e.*
       from unnest($2::text[], $3::bigint[]) with ordinality as k(promotion, after, n)
      cross join lateral (
        select ${EVENT_COLUMNS}, row_number() over (order by position nulls last, arrival) as place from (
          (select * from sluice.events
            where tenant_id = $1 and promotion_id = k.promotion and position > k.after
            order by position
            limit $4)
          union all
          (select * from sluice.events
            where tenant_id = $1 and promotion_id = k.promotion and position is null
            order by arrival
            limit $4)) both_kinds
         order by place
         limit $4) e
      order by k.n, e.place`,
    [tx.tenantId, requests.map(({ promotionId }) => promotionId), starts, limit],
  );
  return requests.map((_request, index) => {
    const own = rows.flatMap(({ asked, place: _place, ...event }) =>
      asked === index + 1 ? [event] : [],
    );
    let linked = starts[index] ?? 0;
    const edges = own.slice(0, first).map((node) => {
      linked = node.position ?? linked;
      return { cursor: encodeCursor([linked]), node };
    });
    return {
      edges,
      hasNextPage: own.length > first,
      endCursor: edges.at(-1)?.cursor ?? null,
    };
  });
}
