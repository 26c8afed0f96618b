import { findRollout, listDeployments, type RolloutKey, type Tx } from '@sluice/persistence';
import type { ExpandedMatrix } from '@sluice/temporal-contract';

/**
 * Adds what a rollout was laid out as, and how far it may have come. Of a round of before anything was laid out nothing is added: then it has no
 * members either.
 */
export async function addRollout(
  tx: Tx,
  expanded: ExpandedMatrix,
  key: RolloutKey,
): Promise<ExpandedMatrix> {
  const found = await findRollout(tx, key);
  if (found === undefined || expanded.count === 0) return expanded;
  const { members, ...layout } = found.layout;
  const deployments = await listDeployments(tx, key.promotionId);
  const touched = new Set(
    deployments.filter(({ state }) => state !== 'planned').map(({ target }) => target),
  );
  const exposed = members.findLastIndex((name) => touched.has(name)) + 1;
  return { ...expanded, rollout: layout, exposed };
}
