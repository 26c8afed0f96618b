import { DEFAULT_AGENT_SETTINGS, type DisruptionBudget } from '@sluice/domain';
import type { Tx } from '../transaction.ts';

/**
 * Makes the tenant's disruption budgets say what its configuration says; what it no longer names is marked as removed and binds
 * nobody. Gives what changed, such as `budget:web`. For the role sluice_app only.
 */
export async function applyBudgets(
  tx: Tx,
  configuration: {
    readonly budgets?: readonly DisruptionBudget[];
    readonly offlineSeconds?: number;
  },
): Promise<string[]> {
  const { budgets = [], offlineSeconds = DEFAULT_AGENT_SETTINGS.offlineSeconds } = configuration;
  const { rows } = await tx.query<{ name: string }>(
    `insert into sluice.disruption_budgets as b (tenant_id, budget_id, selector, max_unavailable,
       max_unavailable_percent, offline_seconds)
     select $1, n.name, n.selector, n."maxUnavailable", n."maxUnavailablePercent", $3::integer
       from jsonb_to_recordset($2)
         as n(name text, selector jsonb, "maxUnavailable" integer, "maxUnavailablePercent" integer)
     on conflict (tenant_id, budget_id) do update
       set selector = excluded.selector, max_unavailable = excluded.max_unavailable,
           max_unavailable_percent = excluded.max_unavailable_percent, offline_seconds = excluded.offline_seconds,
           removed_at = null
     where (b.selector, b.max_unavailable, b.max_unavailable_percent, b.offline_seconds) is distinct from
             (excluded.selector, excluded.max_unavailable, excluded.max_unavailable_percent, excluded.offline_seconds)
        or b.removed_at is not null
     returning budget_id as name`,
    [tx.tenantId, JSON.stringify(budgets), offlineSeconds],
  );
  const removed = await tx.query<{ name: string }>(
    `update sluice.disruption_budgets set removed_at = now()
      where tenant_id = $1 and removed_at is null and not (budget_id = any($2))
     returning budget_id as name`,
    [tx.tenantId, budgets.map(({ name }) => name)],
  );
  return [...rows, ...removed.rows].map(({ name }) => `budget:${name}`);
}
