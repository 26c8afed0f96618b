import type { Queryable } from '../pool.ts';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** Notified without a payload when a workflow is about to close, so that its history is archived soon. */
export const HISTORIES_CHANNEL = 'sluice_histories';

/** A workflow that owes an archived history, of whatever tenant. */
export interface DueExecutionRecord {
  readonly tenantId: string;
  readonly workflowId: string;
  readonly workflowType: string;
  /** Of a promotion's workflow or settlement; null for any other. */
  readonly promotionId: string | null;
  readonly requestedAt: string;
}

/** A workflow that one archiver has taken on for a while, with what the records say about it. */
export interface ClaimedExecution {
  readonly workflowId: string;
  readonly workflowType: string;
  readonly promotionId: string | null;
  /** Until when others leave it alone. It changes when the workflow is started or reset once more: see {@link markArchived}. */
  readonly lookAt: string;
  /** Seconds since it was asked for. */
  readonly ageSeconds: number;
  /** Seconds since its promotion or release request ended; null while that is open, or where it is neither. */
  readonly endedSeconds: number | null;
  /** The sealed packet of its promotion; null where there is none. */
  readonly packetDigest: string | null;
  /** Of the request; null where nothing traced it. */
  readonly traceId: string | null;
  /** True while the outbox holds a start or a reset of it. */
  readonly isStartPending: boolean;
}

/** Workflows of all tenants that are to be looked at now, longest due first. For the role sluice_watchdog. */
export async function listDueExecutions(
  database: Queryable,
  input: { readonly limit: number },
): Promise<readonly DueExecutionRecord[]> {
  const { rows } = await database.query<DueExecutionRecord>(
    `select tenant_id as "tenantId", workflow_id as "workflowId", workflow_type as "workflowType",
            promotion_id as "promotionId", requested_at as "requestedAt"
       from sluice.workflow_executions
      where archived_at is null and lost_at is null and look_at <= now()
      order by look_at
      limit $1`,
    [input.limit],
  );
  return rows;
}

/** How much is to be archived, and how long the archiver may sleep. For the role sluice_watchdog. */
export async function readArchiveBacklog(database: Queryable): Promise<{
  /** Workflows that are neither archived nor lost, those that still run among them. */
  readonly open: number;
  /** Milliseconds until the next look is due; null when there is none. */
  readonly nextDueMs: number | null;
}> {
  const row = firstOf(
    await database.query<{ open: number; nextDueMs: number | null }>(
      `select count(*) as open,
              greatest(0, extract(epoch from min(look_at) - now()) * 1000)::float8 as "nextDueMs"
         from sluice.workflow_executions where archived_at is null and lost_at is null`,
    ),
  );
  return { open: row?.open ?? 0, nextDueMs: (row?.open ?? 0) === 0 ? null : (row?.nextDueMs ?? 0) };
}

/**
 * Takes a due workflow on: others leave it alone for so many seconds. Undefined when it is not due (any more), or done.
 * Whoever dies meanwhile holds it back no longer than that.
 */
export async function claimExecution(
  tx: Tx,
  workflowId: string,
  seconds: number,
): Promise<ClaimedExecution | undefined> {
  const claimed = await tx.query(
    `update sluice.workflow_executions set look_at = clock_timestamp() + make_interval(secs => $3)
      where tenant_id = $1 and workflow_id = $2 and archived_at is null and lost_at is null and look_at <= now()`,
    [tx.tenantId, workflowId, seconds],
  );
  return claimed.rowCount === 1 ? readExecution(tx, workflowId) : undefined;
}

async function readExecution(tx: Tx, workflowId: string): Promise<ClaimedExecution | undefined> {
  return firstOf(
    await tx.query<ClaimedExecution>(
      `select e.workflow_id as "workflowId", e.workflow_type as "workflowType", e.promotion_id as "promotionId",
              e.look_at as "lookAt", extract(epoch from now() - e.requested_at)::float8 as "ageSeconds",
              extract(epoch from now() - coalesce(p.ended_at, r.settled_at))::float8 as "endedSeconds",
              p.packet_digest as "packetDigest", coalesce(split_part(p.traceparent, '-', 2), r.trace_id) as "traceId",
              exists (
                select from sluice.outbox o
                 where o.tenant_id = e.tenant_id and o.workflow_id = e.workflow_id and o.delivered_at is null
                   and o.kind in ('start-workflow', 'reset-workflow')) as "isStartPending"
         from sluice.workflow_executions e
         left join sluice.promotions p on p.tenant_id = e.tenant_id and p.promotion_id = e.promotion_id
         left join sluice.release_requests r
           on r.tenant_id = e.tenant_id and e.workflow_id = 'release-request/' || r.tenant_id || '/' || r.request_id
        where e.tenant_id = $1 and e.workflow_id = $2`,
      [tx.tenantId, workflowId],
    ),
  );
}

/** True from when a workflow is asked for until it is archived or known to be lost: it is started, runs, or has just closed. */
export async function isExecutionOpen(tx: Tx, workflowId: string): Promise<boolean> {
  const { rows } = await tx.query<{ open: boolean }>(
    `select exists (select from sluice.workflow_executions
       where tenant_id = $1 and workflow_id = $2 and archived_at is null and lost_at is null) as open`,
    [tx.tenantId, workflowId],
  );
  return rows[0]?.open === true;
}

/** Puts the next look off by so many seconds. */
export async function deferExecution(tx: Tx, workflowId: string, seconds: number): Promise<void> {
  await tx.query(
    `update sluice.workflow_executions set look_at = clock_timestamp() + make_interval(secs => $3)
      where tenant_id = $1 and workflow_id = $2 and archived_at is null and lost_at is null`,
    [tx.tenantId, workflowId, seconds],
  );
}

/** Has the archiver look at a workflow as soon as this transaction is committed; nothing for one that nobody asked for. */
export async function lookNow(tx: Tx, workflowId: string): Promise<void> {
  await tx.query(
    `with due as (
       update sluice.workflow_executions set look_at = clock_timestamp()
        where tenant_id = $1 and workflow_id = $2 and archived_at is null and lost_at is null
       returning workflow_id)
     select pg_notify('${HISTORIES_CHANNEL}', '') from due`,
    [tx.tenantId, workflowId],
  );
}

/**
 * Takes back that a workflow is archived where no run of it is, and has the archiver look at it as {@link lookNow} does.
 * @returns false when it was right, or not archived
 */
export async function reopenEmptyArchive(tx: Tx, workflowId: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.workflow_executions e set archived_at = null
      where tenant_id = $1 and workflow_id = $2 and archived_at is not null
        and not exists (select from sluice.workflow_histories h
              where h.tenant_id = $1 and h.workflow_id = e.workflow_id)`,
    [tx.tenantId, workflowId],
  );
  if (rowCount === 1) await lookNow(tx, workflowId);
  return rowCount === 1;
}

/**
 * Notes that every run of a workflow is archived.
 * @param claim as {@link claimExecution} gave it, when the runs were listed after that; when the workflow was started or
 * reset once more since, nothing is noted
 * @returns false when nothing was noted
 */
export async function markArchived(
  tx: Tx,
  workflowId: string,
  claim?: Pick<ClaimedExecution, 'lookAt'>,
): Promise<boolean> {
  return markDone(tx, 'archived_at', workflowId, claim);
}

/** Notes that the engine had forgotten a workflow before it was archived; otherwise as {@link markArchived}. */
export async function markLost(
  tx: Tx,
  workflowId: string,
  claim?: Pick<ClaimedExecution, 'lookAt'>,
): Promise<boolean> {
  return markDone(tx, 'lost_at', workflowId, claim);
}

async function markDone(
  tx: Tx,
  column: 'archived_at' | 'lost_at',
  workflowId: string,
  claim: Pick<ClaimedExecution, 'lookAt'> | undefined,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.workflow_executions set ${column} = now()
      where tenant_id = $1 and workflow_id = $2 and archived_at is null and lost_at is null
        and ($3::timestamptz is null or look_at = $3)`,
    [tx.tenantId, workflowId, claim?.lookAt ?? null],
  );
  return rowCount === 1;
}
