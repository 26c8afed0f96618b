import {
  DISCREPANCY_RULES,
  type Discrepancy,
  type DiscrepancyAction,
  type DiscrepancyCode,
  discrepancyId,
} from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';
import { storableJson, storableText } from './storable.ts';

/** A discrepancy as it is shown. */
export interface DiscrepancyRecord {
  /** `<code>:<subject>`. */
  readonly discrepancyId: string;
  readonly code: DiscrepancyCode;
  readonly subject: string;
  readonly action: DiscrepancyAction;
  readonly message: string;
  /** What the repair does, or what a person should do. */
  readonly remedy: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Principal who asked for the repair; null when nobody did. */
  readonly repairRequestedBy: string | null;
  readonly repairRequestedAt: string | null;
  /** Why the last repair failed; null when it did not. */
  readonly repairError: string | null;
}

/** What a tenant is shown: when everything was looked through last, and what disagreed then. */
export interface ReconciliationRecord {
  /** Null before the first time. */
  readonly lookedAt: string | null;
  /** Longest seen first; at most 1,000. */
  readonly discrepancies: readonly DiscrepancyRecord[];
}

/** Notified with the tenant's id when a repair is asked for: it only wakes the watchdog. */
export const RECONCILE_CHANNEL = 'sluice_reconcile';

/** Discrepancies that are shown and repaired at once, at most. */
export const MOST_DISCREPANCIES = 1000;

const COLUMNS = `discrepancy_id as "discrepancyId", code, subject, action, message, remedy, detail,
  first_seen_at as "firstSeenAt", last_seen_at as "lastSeenAt", repair_requested_by as "repairRequestedBy",
  repair_requested_at as "repairRequestedAt", repair_error as "repairError"`;

/**
 * Makes the stored discrepancies those that were found now.
 * @returns those that are new, and those that are gone
 */
export async function replaceDiscrepancies(
  tx: Tx,
  found: readonly Discrepancy[],
): Promise<{
  readonly raised: readonly DiscrepancyRecord[];
  readonly cleared: readonly DiscrepancyRecord[];
}> {
  const values = found.map((discrepancy) => ({
    id: discrepancyId(discrepancy),
    code: discrepancy.code,
    subject: discrepancy.subject,
    action: DISCREPANCY_RULES[discrepancy.code].action,
    message: storableText(discrepancy.message),
    remedy: DISCREPANCY_RULES[discrepancy.code].remedy,
    detail: discrepancy.detail,
  }));
  const { rows: cleared } = await tx.query<DiscrepancyRecord>(
    `delete from sluice.discrepancies where tenant_id = $1 and discrepancy_id <> all($2) returning ${COLUMNS}`,
    [tx.tenantId, values.map(({ id }) => id)],
  );
  const { rows } = await tx.query<DiscrepancyRecord & { inserted: boolean }>(
    `insert into sluice.discrepancies (tenant_id, discrepancy_id, code, subject, action, message, remedy, detail)
     select $1, id, code, subject, action, message, remedy, detail
       from jsonb_to_recordset($2::jsonb)
         as f(id text, code text, subject text, action text, message text, remedy text, detail jsonb)
     on conflict (tenant_id, discrepancy_id) do update
       set message = excluded.message, action = excluded.action, remedy = excluded.remedy, detail = excluded.detail,
           last_seen_at = now()
     returning ${COLUMNS}, xmax = 0 as inserted`,
    [tx.tenantId, storableJson(values)],
  );
  const raised = rows.filter(({ inserted }) => inserted).map(({ inserted: _, ...row }) => row);
  return { raised, cleared };
}

/** What disagreed when it was looked at last, longest seen first; at most {@link MOST_DISCREPANCIES}. */
export async function listDiscrepancies(tx: Tx): Promise<readonly DiscrepancyRecord[]> {
  const { rows } = await tx.query<DiscrepancyRecord>(
    `select ${COLUMNS} from sluice.discrepancies
      where tenant_id = $1
      order by first_seen_at, discrepancy_id
      limit ${MOST_DISCREPANCIES}`,
    [tx.tenantId],
  );
  return rows;
}

/**
 * Asks the watchdog to repair these and wakes it. Left out are those that are gone, and those without a repair; gives the
 * ids of the others. Asking again while a repair is asked for changes nothing.
 */
export async function requestRepairs(
  tx: Tx,
  discrepancyIds: readonly string[],
  principalId: string,
): Promise<readonly string[]> {
  const repairable = Object.entries(DISCREPANCY_RULES).flatMap(([code, rule]) =>
    rule.repairable ? [code] : [],
  );
  const { rows } = await tx.query<{ id: string }>(
    `update sluice.discrepancies
        set repair_requested_by = coalesce(repair_requested_by, $3),
            repair_requested_at = coalesce(repair_requested_at, now()), repair_error = null
      where tenant_id = $1 and discrepancy_id = any($2) and code = any($4)
      returning discrepancy_id as id`,
    [tx.tenantId, discrepancyIds, principalId, repairable],
  );
  await tx.query(`select pg_notify($1, $2)`, [RECONCILE_CHANNEL, tx.tenantId]);
  return rows.map(({ id }) => id).sort();
}

/** Notes what a repair came to: an error (whoever wants it again asks again), or null. */
export async function noteRepair(
  tx: Tx,
  discrepancyIdentity: string,
  error: string | null,
): Promise<void> {
  await tx.query(
    `update sluice.discrepancies
        set repair_error = $3, repair_requested_by = null, repair_requested_at = null
      where tenant_id = $1 and discrepancy_id = $2`,
    [tx.tenantId, discrepancyIdentity, error === null ? null : storableText(error).slice(0, 1000)],
  );
}

/** Notes that everything of the tenant was looked through now. */
export async function noteReconciliation(tx: Tx): Promise<void> {
  await tx.query(
    `insert into sluice.reconciliations (tenant_id, looked_at) values ($1, clock_timestamp())
     on conflict (tenant_id) do update set looked_at = excluded.looked_at`,
    [tx.tenantId],
  );
}

/** What the tenant is shown. */
export async function readReconciliation(tx: Tx): Promise<ReconciliationRecord> {
  const row = firstOf(
    await tx.query<{ lookedAt: string }>(
      `select looked_at as "lookedAt" from sluice.reconciliations where tenant_id = $1`,
      [tx.tenantId],
    ),
  );
  return { lookedAt: row?.lookedAt ?? null, discrepancies: await listDiscrepancies(tx) };
}
