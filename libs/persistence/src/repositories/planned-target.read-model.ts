import type { PlanSet } from '@sluice/domain';
import { planSetDigest } from '@sluice/pure';
import type { Tx } from '../transaction.ts';
import type { PlanSetRecord } from './plan.repository.ts';
import { firstOf } from './single-row.ts';

/** What the newest plan set of a promotion says of one target. */
export interface PlannedTarget extends Pick<PlanSetRecord, 'round' | 'digest'> {
  /** Whose the set is, as its body says. */
  readonly promotion: string;
  readonly release: string;
  /** Digest of the target's plan; null where the set does not name it, or is not what its digest says. */
  readonly plan: string | null;
}

/** A plan set that was read and compared with its digest. */
interface KnownSet extends Pick<PlanSet, 'promotion' | 'release'> {
  readonly plans: ReadonlyMap<string, string>;
}

/** Plan sets that are kept at a time: one of ten thousand targets takes some megabytes. */
const KEPT = 8;

/** By digest: what is kept is what the digest says, whoever asks for it. */
const knownSets = new Map<string, KnownSet>();

/**
 * One target's place in a promotion's newest plan set, which can be of ten thousand; undefined before it was planned. The set is read
 * once, and compared with its digest.
 */
export async function findPlannedTarget(
  tx: Tx,
  promotionId: string,
  target: string,
): Promise<PlannedTarget | undefined> {
  const newest = firstOf(
    await tx.query<Pick<PlanSetRecord, 'round' | 'digest'>>(
      `select round, plan_set_digest as digest from sluice.plan_sets
        where tenant_id = $1 and promotion_id = $2
        order by round desc
        limit 1`,
      [tx.tenantId, promotionId],
    ),
  );
  if (newest === undefined) return undefined;
  const { round, digest } = newest;
  const set = knownSets.get(digest) ?? (await readSet(tx, promotionId, newest));
  if (set === undefined) return { round, digest, promotion: '', release: '', plan: null };
  keep(digest, set);
  const { promotion, release, plans } = set;
  return { round, digest, promotion, release, plan: plans.get(target) ?? null };
}

async function readSet(
  tx: Tx,
  promotionId: string,
  { round, digest }: Pick<PlanSetRecord, 'round' | 'digest'>,
): Promise<KnownSet | undefined> {
  const row = firstOf(
    await tx.query<{ body: PlanSet }>(
      `select body from sluice.plan_sets where tenant_id = $1 and promotion_id = $2 and round = $3`,
      [tx.tenantId, promotionId, round],
    ),
  );
  if (row === undefined || planSetDigest(row.body) !== digest) return undefined;
  const { promotion, release, plans } = row.body;
  return { promotion, release, plans: new Map(plans.map(({ target, plan }) => [target, plan])) };
}

/** The one that was asked for longest ago goes. */
function keep(digest: string, set: KnownSet): void {
  knownSets.delete(digest);
  knownSets.set(digest, set);
  if (knownSets.size <= KEPT) return;
  const [oldest] = knownSets.keys();
  if (oldest !== undefined) knownSets.delete(oldest);
}
