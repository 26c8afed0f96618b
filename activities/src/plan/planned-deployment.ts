import {
  findDeployment,
  findPlannedTarget,
  getPlan,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { FAILURES } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import type { StoredPlan } from './plan-deployment.ts';

/**
 * The plan that the plan step stored for a target in this round; nothing is planned again.
 * @throws ApplicationFailure `Integrity` when the newest plan set is of another round, or does not name what is stored
 *   for the target
 */
export async function readPlannedDeployment(
  tx: Tx,
  { promotionId }: PromotionRecord,
  target: string,
  round: number,
): Promise<StoredPlan> {
  const set = await findPlannedTarget(tx, promotionId, target);
  const digest = set?.plan ?? undefined;
  const deployment = await findDeployment(tx, promotionId, target);
  if (set?.round !== round || digest === undefined || deployment?.planDigest !== digest) {
    throw activityFailure(
      FAILURES.integrity,
      `Round ${round} of ${promotionId} has no plan for ${target}; the newest planned round is ` +
        `${set?.round ?? 'none'}. Promote again.`,
    );
  }
  return { plan: await getPlan(tx, digest), digest };
}
