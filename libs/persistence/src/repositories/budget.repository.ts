import {
  type BudgetHolder,
  type BudgetUse,
  type DisruptionBudget,
  MAX_SHOWN_HOLDERS,
  ROUTER_KINDS,
} from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** A configured budget. */
export interface BudgetRecord extends DisruptionBudget {
  /** An agent that was silent for so long counts as offline, and its target as unavailable. */
  readonly offlineSeconds: number;
}

/** A budget as people look at it. */
export interface BudgetUsage {
  readonly budget: BudgetRecord;
  /** Targets that match now. */
  readonly matching: number;
  /** Those of them that are unavailable now. */
  readonly unavailable: number;
  /** The first of them by name, {@link MAX_LISTED_HOLDERS} at most. */
  readonly holders: readonly BudgetHolder[];
}

/** Holders that a list of budgets names of each. */
export const MAX_LISTED_HOLDERS = 50;

const COLUMNS = `b.budget_id as name, b.selector, b.max_unavailable as "maxUnavailable",
  b.max_unavailable_percent as "maxUnavailablePercent", b.offline_seconds as "offlineSeconds"`;

/**
 * Targets that a budget `b` counts, each with whoever has it at work, and whether it is away. A target that never had an agent serves
 * nobody and is not away. $2: kinds that no release is put on.
 */
const COUNTED = `select t.target_id, c.promotion_id,
    c.target_id is not null
      or coalesce(a.last_heartbeat_at, a.enrolled_at) < now() - make_interval(secs => b.offline_seconds) as away
  from sluice.targets t
  left join sluice.budget_claims c
    on c.tenant_id = t.tenant_id and c.budget_id = b.budget_id and c.target_id = t.target_id
  left join sluice.agents a on a.tenant_id = t.tenant_id and a.target_id = t.target_id
 where t.tenant_id = b.tenant_id and t.removed_at is null and t.kind <> all($2) and t.labels @> b.selector`;

const HOLDER = `jsonb_build_object('target', u.target_id, 'promotionId', u.promotion_id)`;

/** The budgets that the configuration names, with how they are used now; by name. */
export async function listBudgetUsage(tx: Tx): Promise<readonly BudgetUsage[]> {
  const { rows } = await tx.query<BudgetRecord & Omit<BudgetUsage, 'budget'>>(
    `select ${COLUMNS}, used.*
       from sluice.disruption_budgets b
      cross join lateral (
        select count(*) as matching, count(*) filter (where u.away) as unavailable,
               coalesce(to_jsonb((array_agg(${HOLDER} order by u.target_id) filter (where u.away))[1:${MAX_LISTED_HOLDERS}]), '[]') as holders
          from (${COUNTED}) u) used
      where b.tenant_id = $1 and b.removed_at is null
      order by b.budget_id`,
    [tx.tenantId, ROUTER_KINDS],
  );
  return rows.map(({ matching, unavailable, holders, ...budget }) => ({
    budget,
    matching,
    unavailable,
    holders,
  }));
}

/**
 * Names of the budgets that match a target, sorted.
 * @param locked keeps everybody else from claiming any of them until this transaction ends; locked in the order of their names, so
 *   that nobody waits in a circle
 */
export async function listBudgetsOfTarget(
  tx: Tx,
  target: string,
  { locked }: { readonly locked: boolean },
): Promise<readonly string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `select b.budget_id as name
       from sluice.disruption_budgets b
      where b.tenant_id = $1 and b.removed_at is null
        and exists (select from sluice.targets t
                     where t.tenant_id = $1 and t.target_id = $2 and t.removed_at is null and t.labels @> b.selector)
      order by b.budget_id${locked ? ' for no key update of b' : ''}`,
    [tx.tenantId, target],
  );
  return rows.map(({ name }) => name);
}

/**
 * How these budgets look to a target that wants to become unavailable for a promotion. Those are left out in which it is claimed for
 * this promotion already.
 */
export async function readBudgetUse(
  tx: Tx,
  budgets: readonly string[],
  { target, promotionId }: { readonly target: string; readonly promotionId: string },
): Promise<readonly BudgetUse[]> {
  const { rows } = await tx.query<BudgetRecord & Omit<BudgetUse, 'budget'>>(
    `select ${COLUMNS}, used.*
       from sluice.disruption_budgets b
      cross join lateral (
        select count(*) as matching, count(*) filter (where u.away and u.target_id <> $4) as others,
               coalesce(to_jsonb((array_agg(${HOLDER} order by u.target_id)
                 filter (where u.away and u.target_id <> $4))[1:${MAX_SHOWN_HOLDERS}]), '[]') as holders
          from (${COUNTED}) u) used
      where b.tenant_id = $1 and b.budget_id = any($3)
        and not exists (select from sluice.budget_claims mine
                         where mine.tenant_id = $1 and mine.budget_id = b.budget_id
                           and mine.target_id = $4 and mine.promotion_id = $5)
      order by b.budget_id`,
    [tx.tenantId, ROUTER_KINDS, budgets, target, promotionId],
  );
  return rows.map(({ matching, others, holders, ...budget }) => ({
    budget,
    matching,
    others,
    holders,
  }));
}

/** Notes a target as unavailable in these budgets, once; whoever had it noted before has it no more. */
export async function insertBudgetClaims(
  tx: Tx,
  budgets: readonly string[],
  { target, promotionId }: { readonly target: string; readonly promotionId: string },
): Promise<void> {
  if (budgets.length === 0) return;
  await tx.query(
    `delete from sluice.budget_claims
      where tenant_id = $1 and budget_id = any($2) and target_id = $3 and promotion_id <> $4`,
    [tx.tenantId, budgets, target, promotionId],
  );
  await tx.query(
    `insert into sluice.budget_claims (tenant_id, budget_id, target_id, promotion_id)
     select $1, name, $3, $4 from unnest($2::text[]) name order by name
     on conflict do nothing`,
    [tx.tenantId, budgets, target, promotionId],
  );
}

/** Ends all claims of a promotion; how many there were. */
export async function deleteBudgetClaims(tx: Tx, promotionId: string): Promise<number> {
  const { rowCount } = await tx.query(
    `delete from sluice.budget_claims where tenant_id = $1 and promotion_id = $2`,
    [tx.tenantId, promotionId],
  );
  return rowCount;
}

/**
 * Ends a promotion's claims for a target whose agent had its last word on a command, unless a later command is still open there.
 * @param settled.sequence of the command that is settled
 */
export async function deleteClaimsOfTarget(
  tx: Tx,
  settled: { readonly promotionId: string; readonly target: string; readonly sequence: number },
): Promise<void> {
  await tx.query(
    `delete from sluice.budget_claims
      where tenant_id = $1 and promotion_id = $2 and target_id = $3
        and not exists (
          select from sluice.commands later
           where later.tenant_id = $1 and later.target_id = $3 and later.sequence > $4
             and later.promotion_id = $2 and later.kind in ('deploy', 'revert')
             and not exists (
               select from sluice.agent_reports r
                where r.tenant_id = $1 and r.command_digest = later.command_digest
                  and r.stage in ('confirmed', 'reverted', 'refused')))`,
    [tx.tenantId, settled.promotionId, settled.target, settled.sequence],
  );
}

/** Ends claims of promotions that have ended; how many there were. None is there unless something went wrong. */
export async function deleteClaimsOfEnded(tx: Tx): Promise<number> {
  const { rowCount } = await tx.query(
    `delete from sluice.budget_claims c using sluice.promotions p
      where c.tenant_id = $1 and p.tenant_id = $1 and p.promotion_id = c.promotion_id and p.ended_at is not null`,
    [tx.tenantId],
  );
  return rowCount;
}

/** The promotion that has a target claimed in a budget; undefined when none has. */
export async function findBudgetClaim(
  tx: Tx,
  { budget, target }: { readonly budget: string; readonly target: string },
): Promise<string | undefined> {
  const row = firstOf(
    await tx.query<{ promotionId: string }>(
      `select promotion_id as "promotionId" from sluice.budget_claims
        where tenant_id = $1 and budget_id = $2 and target_id = $3`,
      [tx.tenantId, budget, target],
    ),
  );
  return row?.promotionId;
}
