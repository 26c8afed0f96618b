import type { PlanSide } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** What is verified to run on a target. */
export interface CurrentReleaseRecord {
  readonly target: string;
  /** Null when the target was emptied. */
  readonly releaseDigest: string | null;
  readonly promotionId: string;
  /** The next plan's current side. */
  readonly side: PlanSide | null;
  readonly since: string;
}

const COLUMNS = `target_id as target, release_digest as "releaseDigest", promotion_id as "promotionId",
  side, since`;

/** What runs on a target; undefined before the first success. */
export async function findCurrentRelease(
  tx: Tx,
  target: string,
): Promise<CurrentReleaseRecord | undefined> {
  return firstOf({ rows: await listCurrentReleases(tx, [target]) });
}

/** What runs on these targets: for a batch loader. */
export async function listCurrentReleases(
  tx: Tx,
  targets: readonly string[],
): Promise<readonly CurrentReleaseRecord[]> {
  const { rows } = await tx.query<CurrentReleaseRecord>(
    `select ${COLUMNS} from sluice.current_releases
      where tenant_id = $1 and target_id = any($2)
      order by target_id`,
    [tx.tenantId, targets],
  );
  return rows;
}

/** {@link setCurrentRelease} of several targets, each named once. */
export async function setCurrentReleases(
  tx: Tx,
  promotionId: string,
  targets: readonly { readonly target: string; readonly side: PlanSide | null }[],
): Promise<void> {
  await tx.query(
    `insert into sluice.current_releases as c (tenant_id, target_id, release_digest, promotion_id, side)
     select $1, n.target, n.release, $2, n.side
       from jsonb_to_recordset($3::jsonb) as n(target text, release text, side jsonb)
      order by n.target
     on conflict (tenant_id, target_id) do update
       set release_digest = excluded.release_digest, promotion_id = excluded.promotion_id,
           side = excluded.side, since = now()
     where c.promotion_id <> excluded.promotion_id`,
    [
      tx.tenantId,
      promotionId,
      JSON.stringify(
        targets.map(({ target, side }) => ({
          target,
          release: side?.release,
          side: side ?? undefined,
        })),
      ),
    ],
  );
}

/** Says what runs on a target from now on. The same promotion again changes nothing. */
export async function setCurrentRelease(
  tx: Tx,
  input: {
    readonly target: string;
    readonly promotionId: string;
    /** Null when the target was emptied. */
    readonly side: PlanSide | null;
  },
): Promise<void> {
  await tx.query(
    `insert into sluice.current_releases as c (tenant_id, target_id, release_digest, promotion_id, side)
     values ($1, $2, $3, $4, $5)
     on conflict (tenant_id, target_id) do update
       set release_digest = excluded.release_digest, promotion_id = excluded.promotion_id,
           side = excluded.side, since = now()
     where c.promotion_id <> excluded.promotion_id`,
    [
      tx.tenantId,
      input.target,
      input.side?.release ?? null,
      input.promotionId,
      input.side === null ? null : JSON.stringify(input.side),
    ],
  );
}
