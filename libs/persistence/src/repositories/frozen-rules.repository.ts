import type { Tx } from '../transaction.ts';
import { existing } from './single-row.ts';

/** Stores what a promotion holds to, once: the value that was stored first comes back. */
export async function storeRules<Rules extends object>(
  tx: Tx,
  promotionId: string,
  rules: Rules,
): Promise<Rules> {
  const { rows } = await tx.query<{ rules: Rules }>(
    `update sluice.promotions set rules = coalesce(rules, $3::jsonb)
      where tenant_id = $1 and promotion_id = $2
      returning rules`,
    [tx.tenantId, promotionId, JSON.stringify(rules)],
  );
  return existing(rows[0], `promotion ${promotionId}`, tx.tenantId).rules;
}

/** Stores the labels of a promotion's targets, by name, once: what was stored first stays. */
export async function storeTargetLabels(
  tx: Tx,
  promotionId: string,
  labels: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Promise<void> {
  await tx.query(
    `update sluice.promotions set target_labels = coalesce(target_labels, $3::jsonb)
      where tenant_id = $1 and promotion_id = $2`,
    [tx.tenantId, promotionId, JSON.stringify(labels)],
  );
}

/** The labels of a promotion's targets, by name, as they were when its rules were frozen; empty where nobody froze any. */
export async function readTargetLabels(
  tx: Tx,
  promotionId: string,
): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  const { rows } = await tx.query<{ labels: Record<string, Record<string, string>> | null }>(
    `select target_labels as labels from sluice.promotions where tenant_id = $1 and promotion_id = $2`,
    [tx.tenantId, promotionId],
  );
  return existing(rows[0], `promotion ${promotionId}`, tx.tenantId).labels ?? {};
}

/** Notes the workflow code that froze a promotion's rules, once: what was noted first stays. */
export async function recordBundle(
  tx: Tx,
  input: { readonly promotionId: string; readonly bundleDigest: string },
): Promise<void> {
  await tx.query(
    `update sluice.promotions set bundle_digest = coalesce(bundle_digest, $3)
      where tenant_id = $1 and promotion_id = $2`,
    [tx.tenantId, input.promotionId, input.bundleDigest],
  );
}
