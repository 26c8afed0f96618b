import type { PromotionKind, PromotionState } from '@sluice/domain';
import { decodeCursor, type Page, type PageRequest, pageOf, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import { PROMOTION_COLUMNS, type PromotionRecord } from './promotion.repository.ts';

const timeKey = (row: PromotionRecord) => [row.requestedAt, row.promotionId];
const numberKey = (row: PromotionRecord) => [row.number];

/** Which promotions; every field narrows further, an absent one does not. */
export interface PromotionFilter {
  readonly states?: readonly PromotionState[] | undefined;
  readonly environment?: string | undefined;
  /** Release digest. */
  readonly release?: string | undefined;
  readonly kind?: PromotionKind | undefined;
  /** RFC 3339; asked for at or after. */
  readonly since?: string | undefined;
  /** RFC 3339; asked for before. */
  readonly until?: string | undefined;
}

/** The tenant's promotions, newest first; with a filter, those that fit it. */
export async function listPromotions(
  tx: Tx,
  request: PageRequest & { readonly filter?: PromotionFilter | undefined },
): Promise<Page<PromotionRecord>> {
  const limit = rowsToRead(request);
  const [at, id] = decodeCursor(request.after, ['instant', 'string']) ?? [null, null];
  const values: unknown[] = [tx.tenantId, at, id, limit];
  const { rows } = await tx.query<PromotionRecord>(
    `select ${PROMOTION_COLUMNS} from sluice.promotions
      where tenant_id = $1
        and (requested_at, promotion_id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3, ''))
        ${conditionsOf(request.filter ?? {}, values)}
      order by requested_at desc, promotion_id desc
      limit $4`,
    values,
  );
  return pageOf(rows, request, timeKey);
}

/** Adds the values; gives the conditions, each with its `and`. */
function conditionsOf(filter: PromotionFilter, values: unknown[]): string {
  const { states, environment, release, kind, since, until } = filter;
  const conditions: readonly (readonly [condition: string, value: unknown])[] = [
    ['state = any(?)', states],
    ['environment_id = ?', environment],
    ['release_digest = ?', release],
    ['kind = ?', kind],
    ['requested_at >= ?::timestamptz', since],
    ['requested_at < ?::timestamptz', until],
  ];
  return conditions
    .filter(([, value]) => value !== undefined)
    .map(([condition, value]) => `and ${condition.replace('?', `$${values.push(value)}`)}`)
    .join('\n        ');
}

/** Those of these promotions that exist, in no order: for a batch loader. */
export async function listPromotionsById(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly PromotionRecord[]> {
  const { rows } = await tx.query<PromotionRecord>(
    `select ${PROMOTION_COLUMNS} from sluice.promotions where tenant_id = $1 and promotion_id = any($2)`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}

/**
 * One page of promotions for each of several environments, highest number first: for a batch loader.
 * The pages come in the order of `requests`; all have the same `first`.
 */
export async function listPromotionsOfEnvironments(
  tx: Tx,
  requests: readonly { readonly environment: string; readonly after?: string | null | undefined }[],
  first: number,
): Promise<readonly Page<PromotionRecord>[]> {
  const limit = rowsToRead({ first });
  const numbers = requests.map(({ after }) => decodeCursor(after, ['number'])?.[0] ?? null);
  const { rows } = await tx.query<PromotionRecord & { readonly asked: number }>(
    `select k.n::integer as asked, p.*
       from unnest($2::text[], $3::bigint[]) with ordinality as k(environment, before, n)
      cross join lateral (
        select ${PROMOTION_COLUMNS} from sluice.promotions
         where tenant_id = $1 and environment_id = k.environment
           and number < coalesce(k.before, 2147483648)
         order by number desc
         limit $4) p
      order by k.n, p.number desc`,
    [tx.tenantId, requests.map(({ environment }) => environment), numbers, limit],
  );
  return pagesOf(rows, requests.length, first, numberKey);
}

/** Like {@link listPromotionsOfEnvironments}, for several releases, newest first. */
export async function listPromotionsOfReleases(
  tx: Tx,
  requests: readonly {
    readonly releaseDigest: string;
    readonly after?: string | null | undefined;
  }[],
  first: number,
): Promise<readonly Page<PromotionRecord>[]> {
  const limit = rowsToRead({ first });
  const keys = requests.map(({ after }) => decodeCursor(after, ['instant', 'string']));
  const { rows } = await tx.query<PromotionRecord & { readonly asked: number }>(
    `select k.n::integer as asked, p.*
       from unnest($2::text[], $3::timestamptz[], $4::text[]) with ordinality as k(release, at, id, n)
      cross join lateral (
        select ${PROMOTION_COLUMNS} from sluice.promotions
         where tenant_id = $1 and release_digest = k.release
           and (requested_at, promotion_id) < (coalesce(k.at, 'infinity'), coalesce(k.id, ''))
         order by requested_at desc, promotion_id desc
         limit $5) p
      order by k.n, p."requestedAt" desc, p."promotionId" desc`,
    [
      tx.tenantId,
      requests.map(({ releaseDigest }) => releaseDigest),
      keys.map((key) => key?.[0] ?? null),
      keys.map((key) => key?.[1] ?? null),
      limit,
    ],
  );
  return pagesOf(rows, requests.length, first, timeKey);
}

function pagesOf(
  rows: readonly (PromotionRecord & { readonly asked: number })[],
  count: number,
  first: number,
  sortKey: (row: PromotionRecord) => readonly (string | number)[],
): readonly Page<PromotionRecord>[] {
  const groups: PromotionRecord[][] = Array.from({ length: count }, () => []);
  for (const { asked, ...row } of rows) groups[asked - 1]?.push(row);
  return groups.map((group) => pageOf(group, { first }, sortKey));
}
