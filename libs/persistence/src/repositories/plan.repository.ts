import type { Plan } from '@sluice/domain';
import { planDigest } from '@sluice/pure';
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
