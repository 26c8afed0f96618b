import { composePlan, type Plan } from '@sluice/domain';
import { getRelease, getTarget, type PromotionRecord, type Tx } from '@sluice/persistence';
import { planDigest } from '@sluice/pure';
import { findCurrentSide, findDesiredSide } from './target-sides.ts';

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
  const plans: TargetPlan[] = [];
  for (const name of targets) {
    const target = await getTarget(tx, name);
    const current = await findCurrentSide(tx, name);
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
