import type { PlanSide } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/**
 * What a release was on a target, settings included, when an environment verified it last; undefined when it never was,
 * or emptied the target.
 */
export async function findVerifiedSide(
  tx: Tx,
  input: {
    readonly environment: string;
    readonly releaseDigest: string;
    readonly target: string;
  },
): Promise<PlanSide | undefined> {
  const row = firstOf(
    await tx.query<{ side: PlanSide | null }>(
      `select plan.body -> 'desired' as side
         from sluice.promotions p
         join sluice.deployments d
           on d.tenant_id = $1 and d.promotion_id = p.promotion_id and d.target_id = $4 and d.state = 'confirmed'
         join sluice.plans plan on plan.tenant_id = $1 and plan.plan_digest = d.plan_digest
        where p.tenant_id = $1 and p.environment_id = $2 and p.release_digest = $3
          and p.ended_at is not null and p.state = 'succeeded'
        order by p.ended_at desc, p.number desc
        limit 1`,
      [tx.tenantId, input.environment, input.releaseDigest, input.target],
    ),
  );
  return row?.side ?? undefined;
}

/**
 * What a release was on a target by the newest plan that knows it there, as what was put there or as what was found;
 * undefined when none does. What was only planned was never there.
 */
export async function findKnownSide(
  tx: Tx,
  input: { readonly target: string; readonly releaseDigest: string },
): Promise<PlanSide | undefined> {
  const row = firstOf(
    await tx.query<{ side: PlanSide }>(
      `select known.side
         from sluice.deployments d
         join sluice.plans plan on plan.tenant_id = $1 and plan.plan_digest = d.plan_digest
        cross join lateral (
          select case
            when d.state in ('dispatched', 'confirmed', 'lost')
             and plan.body #>> '{desired,release}' = $3 then plan.body -> 'desired'
            when plan.body #>> '{current,release}' = $3 then plan.body -> 'current'
            when d.state = 'reverted'
             and plan.body #>> '{desired,release}' = $3 then plan.body -> 'desired'
            end as side) known
        where d.tenant_id = $1 and d.target_id = $2 and known.side is not null
        order by d.created_at desc
        limit 1`,
      [tx.tenantId, input.target, input.releaseDigest],
    ),
  );
  return row?.side;
}
