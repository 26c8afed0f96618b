import { isNothing } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { listCurrentReleases } from './current-release.repository.ts';
import { findLease } from './lease.read-model.ts';
import { findPromotion, type PromotionRecord } from './promotion.repository.ts';
import { listReleasesByDigest } from './release.repository.ts';
import { listTargetsOf } from './target.repository.ts';
import { listVerifiedReleases } from './verified-release.repository.ts';

/** One to pass over, nothing, and some that came after it: the one that is sought stands in so many. */
const LOOKED_AT = 20;

/**
 * The digest of the release that a rollback to what was verified last puts there; undefined where there is none. While something is being
 * deployed over a verified release, that one; else the newest release that was promoted and verified here before the one that runs. Asked
 * again while a rollback runs, the same again.
 */
export async function findLastVerified(tx: Tx, environment: string): Promise<string | undefined> {
  const running = await findHolder(tx, environment);
  const verified = await listVerifiedReleases(tx, { environment, limit: LOOKED_AT });
  const digests = verified.map(({ releaseDigest }) => releaseDigest);
  const releases = await listReleasesByDigest(tx, digests);
  const empty = new Set(
    releases.filter(({ body }) => isNothing(body)).map(({ releaseDigest }) => releaseDigest),
  );
  // Asked again while a rollback runs it is the same wish: the release that it leaves is no way back.
  if (running?.kind === 'rollback' && digests.includes(running.releaseDigest)) {
    return running.releaseDigest;
  }
  const current = await findReleaseOfMost(tx, environment);
  const candidates = digests.filter((digest) => !empty.has(digest));
  // Something else is being deployed over it: what ran before is the way back.
  const isOver = running?.kind === 'promote' && running.releaseDigest !== current;
  if (isOver && current !== undefined && candidates.includes(current)) return current;
  // Only older ones: a release that was rolled back from must not come back by asking twice.
  const older = candidates.slice(current === undefined ? 0 : candidates.indexOf(current) + 1);
  return older.find((digest) => digest !== running?.releaseDigest && digest !== current);
}

/** The promotion that holds the lease of an environment now; undefined where nobody does. */
export async function findHolder(
  tx: Tx,
  environment: string,
): Promise<PromotionRecord | undefined> {
  const lease = await findLease(tx, `environment:${environment}`);
  const promotionId = /^promotion:(.+)$/.exec(lease?.holder ?? '')?.[1];
  return promotionId === undefined ? undefined : findPromotion(tx, promotionId);
}

/** What runs on most of the targets of an environment; undefined where nothing does. */
export async function findReleaseOfMost(tx: Tx, environment: string): Promise<string | undefined> {
  const targets = await listTargetsOf(tx, [environment]);
  const current = await listCurrentReleases(
    tx,
    targets.map(({ name }) => name),
  );
  const counts = new Map<string, number>();
  for (const { releaseDigest } of current) {
    if (releaseDigest !== null) counts.set(releaseDigest, (counts.get(releaseDigest) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
