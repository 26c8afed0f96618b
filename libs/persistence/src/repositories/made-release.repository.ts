import { NOTHING_DIGEST } from '@sluice/pure';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import type { PromotionRecord } from './promotion.repository.ts';
import { existing } from './single-row.ts';

/**
 * Says which release a promotion is of that was asked for without one, once: from `nothing` to what its pipeline made. False when it
 * is of this release already. Throws `record-conflict` for a promotion that has another release; the database refuses one of a promotion that is
 * planned, that has ended, or that is a rollback.
 */
export async function bindRelease(
  tx: Tx,
  input: { readonly promotionId: string; readonly releaseDigest: string },
): Promise<boolean> {
  const { promotionId, releaseDigest } = input;
  const { rows } = await tx.query<Pick<PromotionRecord, 'releaseDigest'>>(
    `select release_digest as "releaseDigest" from sluice.promotions
      where tenant_id = $1 and promotion_id = $2
      for no key update`,
    [tx.tenantId, promotionId],
  );
  const known = existing(rows[0], `promotion ${promotionId}`, tx.tenantId).releaseDigest;
  if (known === releaseDigest) return false;
  if (known !== NOTHING_DIGEST) {
    throw new PersistenceError(
      'record-conflict',
      `Promotion ${promotionId} is of release ${known}, and stays so; ${releaseDigest} was not taken.`,
    );
  }
  await tx.query(
    `update sluice.promotions set release_digest = $3 where tenant_id = $1 and promotion_id = $2`,
    [tx.tenantId, promotionId, releaseDigest],
  );
  return true;
}
