import { isNothing } from '@sluice/domain';
import {
  findLease,
  findPromotion,
  findRelease,
  hasSucceeded,
  listCurrentReleases,
  listReleasesByDigest,
  listTargetsOf,
  listVerifiedReleases,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { environmentLease, promotionOfHolder } from '@sluice/temporal-contract';
import { notFound, stateConflict } from '../common/refusal.ts';
import { storeNothing } from '../release/store-nothing.ts';
import type { ROLLBACK_TO } from './rollback-environment.input.ts';

/** One to pass over, nothing, and some that came after it: the one that is sought stands in so many. */
const LOOKED_AT = 20;

/**
 * The digest of the release that a rollback puts there.
 * @throws RefusalException `no-verified-release`, `release-unknown`, `release-not-verified-here`
 */
export async function chooseRelease(
  tx: Tx,
  environment: string,
  { to, release }: { readonly to: (typeof ROLLBACK_TO)[number]; readonly release: string | null },
): Promise<string> {
  if (to === 'NOTHING') return storeNothing(tx);
  if (release !== null) return chooseNamed(tx, environment, release);
  return chooseLastVerified(tx, environment);
}

async function chooseNamed(tx: Tx, environment: string, digest: string): Promise<string> {
  if ((await findRelease(tx, digest)) === undefined) {
    throw notFound('release-unknown', `There is no release ${digest}; list releases.`);
  }
  if (await hasSucceeded(tx, { environment, releaseDigest: digest })) return digest;
  throw stateConflict(
    'release-not-verified-here',
    `Release ${digest} was never verified in ${environment}, that is: no promotion of it succeeded with every target confirmed; roll back to one that was, or promote it.`,
  );
}

async function chooseLastVerified(tx: Tx, environment: string): Promise<string> {
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
  const chosen = older.find((digest) => digest !== running?.releaseDigest && digest !== current);
  if (chosen !== undefined) return chosen;
  throw stateConflict(
    'no-verified-release',
    `No earlier release was verified in ${environment}; name one, or roll back to NOTHING to empty it.`,
  );
}

/** The promotion that holds the environment now. */
async function findHolder(tx: Tx, environment: string): Promise<PromotionRecord | undefined> {
  const lease = await findLease(tx, environmentLease(environment));
  const holder = lease?.holder ?? null;
  return holder === null ? undefined : findPromotion(tx, promotionOfHolder(holder));
}

/** What runs on most of the targets; undefined where nothing does. */
async function findReleaseOfMost(tx: Tx, environment: string): Promise<string | undefined> {
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
