import { composePlan, type Plan, type PlanSide } from '@sluice/domain';
import {
  findCurrentRelease,
  findDeployment,
  getPlan,
  getRelease,
  getTarget,
  insertPlan,
  type PromotionRecord,
  type Tx,
  upsertDeployment,
} from '@sluice/persistence';

/** A stored plan of one target. */
export interface StoredPlan {
  readonly plan: Plan;
  readonly digest: string;
}

/**
 * For pipelines without a plan step: the plan of a promotion for a target is made and stored by its deployment, from
 * what is verified to run there and the target's settings. Once a command was dispatched the stored one holds.
 */
export async function planDeployment(
  tx: Tx,
  promotion: PromotionRecord,
  targetName: string,
): Promise<StoredPlan> {
  const { promotionId } = promotion;
  const known = await findDeployment(tx, promotionId, targetName);
  if (known !== undefined && known.state !== 'planned') {
    return { plan: await getPlan(tx, known.planDigest), digest: known.planDigest };
  }
  const target = await getTarget(tx, targetName);
  const release = await getRelease(tx, promotion.releaseDigest);
  const current = await findCurrentRelease(tx, targetName);
  const desired: PlanSide = {
    release: release.releaseDigest,
    components: release.body.components,
    settings: target.settings,
  };
  const plan = composePlan(targetName, current?.side ?? null, desired);
  const digest = await insertPlan(tx, plan);
  await upsertDeployment(tx, { promotionId, target: targetName, planDigest: digest });
  return { plan, digest };
}
