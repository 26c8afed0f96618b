import type { Plan, PlanSet } from '@sluice/domain';
import { planDigest, planSetDigest } from '@sluice/pure';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** Stores a plan and gives its digest; the same plan again changes nothing. */
export async function insertPlan(tx: Tx, plan: Plan): Promise<string> {
  const digest = planDigest(plan);
  await tx.query(
    `insert into sluice.plans (tenant_id, plan_digest, body) values ($1, $2, $3) on conflict do nothing`,
    [tx.tenantId, digest, JSON.stringify(plan)],
  );
  return digest;
}

/** Stores plans; those that are there already stay as they are. */
export async function insertPlans(tx: Tx, plans: readonly Plan[]): Promise<void> {
  await tx.query(
    `insert into sluice.plans (tenant_id, plan_digest, body)
     select $1, p.digest, p.body from unnest($2::text[], $3::jsonb[]) as p(digest, body)
     on conflict do nothing`,
    [tx.tenantId, plans.map(planDigest), plans.map((plan) => JSON.stringify(plan))],
  );
}

/** A plan by its digest. */
export async function findPlan(tx: Tx, digest: string): Promise<Plan | undefined> {
  const row = firstOf(
    await tx.query<{ body: Plan }>(
      `select body from sluice.plans where tenant_id = $1 and plan_digest = $2`,
      [tx.tenantId, digest],
    ),
  );
  return row?.body;
}

/** A plan by its digest; throws `not-found`. */
export async function getPlan(tx: Tx, digest: string): Promise<Plan> {
  return existing(await findPlan(tx, digest), `plan ${digest}`, tx.tenantId);
}

/** A plan beside its digest. */
export interface PlanRecord {
  readonly digest: string;
  readonly body: Plan;
}

/** Those of these plans that exist: for a batch loader. */
export async function listPlansByDigest(
  tx: Tx,
  digests: readonly string[],
): Promise<readonly PlanRecord[]> {
  const { rows } = await tx.query<PlanRecord>(
    `select plan_digest as digest, body from sluice.plans where tenant_id = $1 and plan_digest = any($2)`,
    [tx.tenantId, digests],
  );
  return rows;
}

/** What one round of planning came to. */
export interface PlanSetRecord {
  readonly promotionId: string;
  /** From 1; grows each time that a stale plan is made again. */
  readonly round: number;
  readonly digest: string;
  readonly body: PlanSet;
  readonly createdAt: string;
}

const SET_COLUMNS = `promotion_id as "promotionId", round, plan_set_digest as digest, body,
  created_at as "createdAt"`;

/**
 * Stores the plan set of a round and gives its digest; the same one again changes nothing. Throws `record-conflict` when
 * the round has another one.
 */
export async function insertPlanSet(
  tx: Tx,
  input: { readonly promotionId: string; readonly round: number; readonly planSet: PlanSet },
): Promise<string> {
  const { promotionId, round, planSet } = input;
  const digest = planSetDigest(planSet);
  const { rowCount } = await tx.query(
    `insert into sluice.plan_sets (tenant_id, promotion_id, round, plan_set_digest, body)
     values ($1, $2, $3, $4, $5)
     on conflict (tenant_id, promotion_id, round) do nothing`,
    [tx.tenantId, promotionId, round, digest, JSON.stringify(planSet)],
  );
  if (rowCount === 1) return digest;
  const { rows } = await tx.query<{ digest: string }>(
    `select plan_set_digest as digest from sluice.plan_sets
      where tenant_id = $1 and promotion_id = $2 and round = $3`,
    [tx.tenantId, promotionId, round],
  );
  if (rows[0]?.digest !== digest) {
    throw new PersistenceError(
      'record-conflict',
      `Round ${round} of ${promotionId} is planned as ${rows[0]?.digest}; ${digest} was not stored: plan in another round.`,
    );
  }
  return digest;
}

/** The plan set of a promotion's newest round; undefined before it was planned. */
export async function findPlanSet(tx: Tx, promotionId: string): Promise<PlanSetRecord | undefined> {
  return firstOf(
    await tx.query<PlanSetRecord>(
      `select ${SET_COLUMNS} from sluice.plan_sets
        where tenant_id = $1 and promotion_id = $2
        order by round desc
        limit 1`,
      [tx.tenantId, promotionId],
    ),
  );
}

/** The plan sets of all rounds of these promotions, oldest round first: for a batch loader. */
export async function listPlanSetsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly PlanSetRecord[]> {
  const { rows } = await tx.query<PlanSetRecord>(
    `select ${SET_COLUMNS} from sluice.plan_sets
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, round`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}
