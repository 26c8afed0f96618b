import {
  daysToKeep,
  type Envelope,
  HISTORY_MEDIA_TYPE,
  type HistoryHead,
  type HistoryRule,
  isPromotionEnd,
  type PromotionState,
} from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** What is stored of one archived workflow run; the encrypted file is in the evidence store. */
export interface HistoryRecord extends Omit<HistoryHead, 'tenantId'> {
  /** Of a promotion's workflow or settlement; null for any other. */
  readonly promotionId: string | null;
  /** Of the encrypted file. */
  readonly archiveDigest: string;
  /** Bytes of the encrypted file. */
  readonly archiveSize: number;
  /** What was sealed with it; null where there is no packet. */
  readonly packetDigest: string | null;
  /** SHA-256 of the statement's payload bytes. */
  readonly statementDigest: string;
  /** The signed statement that names packet and history. */
  readonly envelope: Envelope;
  readonly archivedAt: string;
  /** When the file was removed by rule; null while it is there. */
  readonly expiredAt: string | null;
}

const COLUMNS = `workflow_id as "workflowId", run_id as "runId", workflow_type as "workflowType", status,
  event_count as "eventCount", started_at as "startedAt", closed_at as "closedAt", build_ids as "buildIds",
  bundle_digests as "bundleDigests", history_digest as "historyDigest", promotion_id as "promotionId",
  archive_digest as "archiveDigest", archive_size as "archiveSize", packet_digest as "packetDigest",
  statement_digest as "statementDigest", envelope, archived_at as "archivedAt", expired_at as "expiredAt"`;

/** Histories that one pass expires at most, when nothing else is asked. */
const EXPIRY_LIMIT = 500;

/** Stores an archived run; false when it was archived before. Note its file as evidence, and write that, first. */
export async function insertHistory(
  tx: Tx,
  row: Omit<HistoryRecord, 'promotionId' | 'archivedAt' | 'expiredAt'>,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.workflow_histories (tenant_id, workflow_id, run_id, workflow_type, status, event_count,
       build_ids, bundle_digests, history_digest, archive_digest, archive_size, packet_digest, statement_digest,
       envelope, started_at, closed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
     on conflict (tenant_id, workflow_id, run_id) do nothing`,
    [
      tx.tenantId,
      row.workflowId,
      row.runId,
      row.workflowType,
      row.status,
      row.eventCount,
      row.buildIds,
      row.bundleDigests,
      row.historyDigest,
      row.archiveDigest,
      row.archiveSize,
      row.packetDigest,
      row.statementDigest,
      JSON.stringify(row.envelope),
      row.startedAt,
      row.closedAt,
    ],
  );
  return rowCount === 1;
}

/** One archived run. */
export async function findHistory(
  tx: Tx,
  run: { readonly workflowId: string; readonly runId: string },
): Promise<HistoryRecord | undefined> {
  return firstOf(
    await tx.query<HistoryRecord>(
      `select ${COLUMNS} from sluice.workflow_histories
        where tenant_id = $1 and workflow_id = $2 and run_id = $3`,
      [tx.tenantId, run.workflowId, run.runId],
    ),
  );
}

/** The archived runs of one workflow, oldest first. */
export async function listHistoriesOfWorkflow(
  tx: Tx,
  workflowId: string,
): Promise<readonly HistoryRecord[]> {
  const { rows } = await tx.query<HistoryRecord>(
    `select ${COLUMNS} from sluice.workflow_histories
      where tenant_id = $1 and workflow_id = $2
      order by started_at, run_id`,
    [tx.tenantId, workflowId],
  );
  return rows;
}

/** The archived runs of many promotions and of what settled them, each promotion's oldest first: for a batch loader. */
export async function listHistoriesOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly HistoryRecord[]> {
  const { rows } = await tx.query<HistoryRecord>(
    `select ${COLUMNS} from sluice.workflow_histories
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, started_at, run_id`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}

/** Whoever archives takes minutes at most between the note of a file and the row that names it. Hours. */
const UNNAMED_HOURS = 24;

/** Digests of files that were noted for a history a day ago and that no row names; oldest first, at most `limit`. */
export async function listUnnamedArchives(
  tx: Tx,
  { limit = EXPIRY_LIMIT }: { readonly limit?: number } = {},
): Promise<readonly string[]> {
  const { rows } = await tx.query<{ digest: string }>(
    `select e.digest from sluice.evidence e
      where e.tenant_id = $1 and e.media_type = $2 and e.created_at < now() - make_interval(hours => $3)
        and not exists (select from sluice.workflow_histories h
              where h.tenant_id = $1 and h.archive_digest = e.digest)
      order by e.created_at, e.digest
      limit $4`,
    [tx.tenantId, HISTORY_MEDIA_TYPE, UNNAMED_HOURS, limit],
  );
  return rows.map(({ digest }) => digest);
}

/** Takes back that a file is evidence which no history names; remove the file first. False when it was taken back before. */
export async function forgetUnnamedArchive(tx: Tx, digest: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `delete from sluice.evidence e
      where tenant_id = $1 and digest = $2 and media_type = $3
        and not exists (select from sluice.workflow_histories h
              where h.tenant_id = $1 and h.archive_digest = e.digest)`,
    [tx.tenantId, digest, HISTORY_MEDIA_TYPE],
  );
  return rowCount === 1;
}

/** The tenant's rules of how long histories are kept. */
export async function readHistoryRules(tx: Tx): Promise<readonly HistoryRule[]> {
  const row = firstOf(
    await tx.query<{ rules: readonly HistoryRule[] }>(
      `select history_rules as rules from sluice.tenants where tenant_id = $1`,
      [tx.tenantId],
    ),
  );
  return row?.rules ?? [];
}

/** A history whose time is over. */
export interface ExpiredHistory
  extends Pick<
    HistoryRecord,
    'workflowId' | 'runId' | 'promotionId' | 'archiveDigest' | 'closedAt'
  > {
  /** What the rule that fits says. */
  readonly days: number;
}

interface KeptHistory extends Omit<ExpiredHistory, 'days'> {
  readonly environment: string | null;
  readonly state: PromotionState | null;
  readonly ageDays: number;
}

/** Histories whose files are there although the tenant's rules say that their time is over, longest closed first. */
export async function listExpiredHistories(
  tx: Tx,
  { limit = EXPIRY_LIMIT }: { readonly limit?: number } = {},
): Promise<readonly ExpiredHistory[]> {
  const rules = await readHistoryRules(tx);
  if (rules.length === 0) return [];
  const leastDays = Math.min(...rules.map(({ days }) => days));
  const expired: ExpiredHistory[] = [];
  let after: KeptHistory | undefined;
  while (expired.length < limit) {
    const page = await listKept(tx, leastDays, after);
    for (const { environment, state, ageDays, ...history } of page) {
      const ended = state !== null && isPromotionEnd(state) ? state : null;
      const days = daysToKeep(rules, { environment, state: ended });
      if (days !== undefined && ageDays >= days) expired.push({ ...history, days });
    }
    after = page.at(-1);
    if (after === undefined) break;
  }
  return expired.slice(0, limit);
}

async function listKept(
  tx: Tx,
  leastDays: number,
  after: KeptHistory | undefined,
): Promise<readonly KeptHistory[]> {
  const { rows } = await tx.query<KeptHistory>(
    `select h.workflow_id as "workflowId", h.run_id as "runId", h.promotion_id as "promotionId",
            h.archive_digest as "archiveDigest", h.closed_at as "closedAt", p.environment_id as environment, p.state,
            (extract(epoch from now() - h.closed_at) / 86400)::float8 as "ageDays"
       from sluice.workflow_histories h
       left join sluice.promotions p on p.tenant_id = h.tenant_id and p.promotion_id = h.promotion_id
      where h.tenant_id = $1 and h.expired_at is null and h.closed_at <= now() - make_interval(days => $2)
        and (h.closed_at, h.workflow_id, h.run_id) > (coalesce($3::timestamptz, '-infinity'), $4, $5)
      order by h.closed_at, h.workflow_id, h.run_id
      limit 500`,
    [tx.tenantId, leastDays, after?.closedAt ?? null, after?.workflowId ?? '', after?.runId ?? ''],
  );
  return rows;
}

/**
 * Notes that a history's file was removed, and takes back that it is evidence; remove the file first, so that none is left
 * that nothing names. False when that was noted before.
 */
export async function expireHistory(
  tx: Tx,
  history: Pick<HistoryRecord, 'workflowId' | 'runId' | 'archiveDigest'>,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.workflow_histories set expired_at = now()
      where tenant_id = $1 and workflow_id = $2 and run_id = $3 and expired_at is null`,
    [tx.tenantId, history.workflowId, history.runId],
  );
  await tx.query(`delete from sluice.evidence where tenant_id = $1 and digest = $2`, [
    tx.tenantId,
    history.archiveDigest,
  ]);
  return rowCount === 1;
}
