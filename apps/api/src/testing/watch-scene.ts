import { TENANT, type TestApi } from './test-api.ts';

/** A watch over the release of every promotion, with a target that fails; and a budget that a promotion holds. */
export async function addWatchesToAll(api: TestApi): Promise<void> {
  const rules = { seconds: 600, everySeconds: 30, probes: { failures: 3 }, onAlarm: 'notify' };
  const progress = { failing: { 'host-0-a': 1 } };
  await api.database.query(
    `insert into sluice.release_watches (tenant_id, promotion_id, rules, until, progress)
     select tenant_id, promotion_id, $2, now() + interval '600 seconds', $3
       from sluice.promotions where tenant_id = $1`,
    [TENANT, JSON.stringify(rules), JSON.stringify(progress)],
  );
  await api.database.query(
    `insert into sluice.disruption_budgets (tenant_id, budget_id, selector, max_unavailable) values ($1, 'all', '{}', 2)`,
    [TENANT],
  );
  await api.database.query(
    `insert into sluice.budget_claims (tenant_id, budget_id, target_id, promotion_id)
     select tenant_id, 'all', 'host-0-a', promotion_id
       from sluice.promotions where tenant_id = $1 order by promotion_id limit 1`,
    [TENANT],
  );
}
