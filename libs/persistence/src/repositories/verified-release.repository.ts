import { NOTHING_DIGEST } from '@sluice/pure';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** A release that an environment verified, and by which promotion last. */
export interface VerifiedReleaseRecord {
  readonly releaseDigest: string;
  readonly promotionId: string;
  readonly endedAt: string;
}

/** Only these say something of the release: a denied or a cancelled promotion leaves its standing as it was. */
const TELLING = `('succeeded', 'failed', 'reverted')`;

/**
 * Whether a promotion verified its release: it succeeded, and its deployment is confirmed on every target that its rules froze. A pipeline
 * as data can succeed with fewer, or with none: that is a success, and no verification.
 */
function verifies(promotion: string): string {
  return `(${promotion}.state = 'succeeded' and jsonb_array_length(${promotion}.rules -> 'targets') > 0
    and not exists (
      select jsonb_array_elements_text(${promotion}.rules -> 'targets')
      except
      select d.target_id from sluice.deployments d
       where d.tenant_id = ${promotion}.tenant_id and d.promotion_id = ${promotion}.promotion_id
         and d.state = 'confirmed'))`;
}

/**
 * Whether a release counts as verified in an environment: the newest promotion of it there that succeeded, failed or was
 * reverted did succeed, and confirmed its deployment on every target. Rollbacks are promotions too.
 */
export async function isVerified(
  tx: Tx,
  input: { readonly environment: string; readonly releaseDigest: string },
): Promise<boolean> {
  const newest = firstOf(
    await tx.query<{ verified: boolean | null }>(
      `select ${verifies('newest')} as verified
         from (select * from sluice.promotions
                where tenant_id = $1 and environment_id = $2 and release_digest = $3 and ended_at is not null
                  and state in ${TELLING}
                order by ended_at desc, number desc
                limit 1) newest`,
      [tx.tenantId, input.environment, input.releaseDigest],
    ),
  );
  return newest?.verified ?? false;
}

/** Whether a promotion ever verified a release in an environment, on every target, whatever came after. */
export async function hasSucceeded(
  tx: Tx,
  input: { readonly environment: string; readonly releaseDigest: string },
): Promise<boolean> {
  const { rows } = await tx.query(
    `select from sluice.promotions p
      where p.tenant_id = $1 and p.environment_id = $2 and p.release_digest = $3 and p.ended_at is not null
        and ${verifies('p')}
      limit 1`,
    [tx.tenantId, input.environment, input.releaseDigest],
  );
  return rows.length === 1;
}

/**
 * The releases that are verified in an environment, by {@link isVerified}: each once, the one that was promoted there
 * last first (a rollback makes no release newer); at most `limit`, 100 at most. An empty target is no release: NOTHING_RELEASE is not among them.
 */
export async function listVerifiedReleases(
  tx: Tx,
  input: { readonly environment: string; readonly limit: number },
): Promise<readonly VerifiedReleaseRecord[]> {
  const { rows } = await tx.query<VerifiedReleaseRecord>(
    `select p.release_digest as "releaseDigest", p.promotion_id as "promotionId", p.ended_at as "endedAt"
       from sluice.promotions p
      where p.tenant_id = $1 and p.environment_id = $2 and p.state = 'succeeded' and p.kind = 'promote'
        and p.release_digest <> $3
        and not exists (
          select from sluice.promotions again
           where again.tenant_id = $1 and again.environment_id = $2
             and again.release_digest = p.release_digest and again.state = 'succeeded'
             and again.kind = 'promote' and again.ended_at is not null
             and (again.ended_at, again.number) > (p.ended_at, p.number))
        and (select ${verifies('newest')}
               from (select * from sluice.promotions telling
                      where telling.tenant_id = $1 and telling.environment_id = $2
                        and telling.release_digest = p.release_digest and telling.ended_at is not null
                        and telling.state in ${TELLING}
                      order by telling.ended_at desc, telling.number desc
                      limit 1) newest)
      order by p.ended_at desc, p.number desc
      limit $4`,
    [tx.tenantId, input.environment, NOTHING_DIGEST, Math.min(input.limit, 100)],
  );
  return rows;
}
