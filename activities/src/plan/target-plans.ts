import { composePlan, type Plan } from '@sluice/domain';
import {
  getRelease,
  getTarget,
  listTargetsByName,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { planDigest } from '@sluice/pure';
import { findCurrentSides, findDesiredSide } from './target-sides.ts';

/** What one target would change, as the records and its agent say now. */
export type TargetPlan =
  | { readonly known: true; readonly target: string; readonly plan: Plan; readonly digest: string }
  /** A release runs there of which nobody knows how it got there. */
  | { readonly known: false; readonly target: string; readonly unknown: string };

/**
 * Plans these targets without storing anything. A rollback is planned even where an unknown release runs: it
 * replaces whatever is there.
 */
export async function planTargets(
  tx: Tx,
  promotion: PromotionRecord,
  targets: readonly string[],
): Promise<readonly TargetPlan[]> {
  const release = await getRelease(tx, promotion.releaseDigest);
  const known = new Map((await listTargetsByName(tx, targets)).map((one) => [one.name, one]));
  const sides = await findCurrentSides(tx, targets);
  const plans: TargetPlan[] = [];
  for (const name of targets) {
    // One that was removed meanwhile is told by its name.
    const found = known.get(name);
    const target =
      found === undefined || found.removedAt !== null ? await getTarget(tx, name) : found;
    const current = sides.get(name) ?? { known: true, side: null };
    if (!current.known && promotion.kind !== 'rollback') {
      plans.push({ known: false, target: name, unknown: current.unknown });
      continue;
    }
    const side = current.known ? current.side : current.recorded;
    const desired = await findDesiredSide(tx, promotion, release, target);
    const plan = composePlan(name, side, desired);
    plans.push({ known: true, target: name, plan, digest: planDigest(plan) });
  }
  return plans;
}
