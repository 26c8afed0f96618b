import { decodeCursor, type Page, type PageRequest, pageOf, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** Notified with {@link stepLogsPayload} when a step wrote something, and when its log has ended. */
export const STEP_LOGS_CHANNEL = 'sluice_step_logs';

/** What {@link STEP_LOGS_CHANNEL} is notified with: `<tenant>/<promotion>/<step>`. */
export function stepLogsPayload(tenantId: string, promotionId: string, stepId: string): string {
  return `${tenantId}/${promotionId}/${stepId}`;
}

/** Bytes of one chunk at most. */
export const MAX_LOG_CHUNK_BYTES = 32_768;

const OPEN_LOGS_A_READ = 1000;

/** What an execution of a step writes to; each attempt has a log of its own. */
export interface StepLogKey {
  readonly promotionId: string;
  readonly stepId: string;
  /** Of planning; the first is 1. */
  readonly round: number;
  /** Key of the matrix's member; empty where there is none. */
  readonly memberKey: string;
  readonly stream: 'run' | 'compensation';
}

/** The log of one attempt. Attempts are counted here from 1: the engine's begin again after a reset. */
export interface StepLogRef extends StepLogKey {
  readonly attempt: number;
}

/** A log of one attempt. */
export interface StepLogRecord extends StepLogRef {
  /** Of the whole log in the evidence store; null until it has ended. */
  readonly digest: string | null;
  /** 0 until it has ended. */
  readonly bytes: number;
  /** Left out beyond the bound. */
  readonly truncatedBytes: number;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** One piece of a log that is being written; one after the other they are the log. */
export interface StepLogChunk {
  /** From 1. */
  readonly seq: number;
  /** Place of its first byte in the log. */
  readonly byteOffset: number;
  /** At most {@link MAX_LOG_CHUNK_BYTES} as UTF-8, without NUL and lone surrogates. */
  readonly text: string;
}

const KEY = `promotion_id as "promotionId", step_id as "stepId", round, member_key as "memberKey", stream, attempt`;
/** The columns of {@link StepLogRecord}, of the table `step_logs`. */
export const STEP_LOG_COLUMNS = `${KEY}, log_digest as digest, bytes, truncated_bytes as "truncatedBytes",
  started_at as "startedAt", ended_at as "endedAt"`;
const OF_KEY = `tenant_id = $1 and promotion_id = $2 and step_id = $3 and round = $4 and member_key = $5
  and stream = $6`;
const OF_LOG = `${OF_KEY} and attempt = $7`;

function keyValues(tx: Tx, key: StepLogKey): readonly unknown[] {
  const { promotionId, stepId, round, memberKey, stream } = key;
  return [tx.tenantId, promotionId, stepId, round, memberKey, stream];
}

function logValues(tx: Tx, log: StepLogRef): readonly unknown[] {
  return [...keyValues(tx, log), log.attempt];
}

/** Begins the log of the next attempt, and gives its number. */
export async function openStepLog(tx: Tx, key: StepLogKey): Promise<number> {
  // Two attempts at the same instant take turns: the step's row is there for both.
  await tx.query(
    `select from sluice.promotion_steps
      where tenant_id = $1 and promotion_id = $2 and step_id = $3
      for no key update`,
    [tx.tenantId, key.promotionId, key.stepId],
  );
  const { rows } = await tx.query<{ attempt: number }>(
    `insert into sluice.step_logs (tenant_id, promotion_id, step_id, round, member_key, stream, attempt)
     select $1, $2, $3, $4, $5, $6, coalesce(max(attempt), 0) + 1 from sluice.step_logs where ${OF_KEY}
     returning attempt`,
    keyValues(tx, key),
  );
  return existing(rows[0], `log of ${key.stepId}`, tx.tenantId).attempt;
}

/**
 * Stores chunks, and wakes who reads along; those that are stored already stay as they are. False, and nothing is stored,
 * when the log has ended.
 */
export async function appendLogChunks(
  tx: Tx,
  log: StepLogRef,
  chunks: readonly StepLogChunk[],
): Promise<boolean> {
  const open = await tx.query(
    `select from sluice.step_logs where ${OF_LOG} and ended_at is null for share`,
    logValues(tx, log),
  );
  if (open.rowCount === 0) return false;
  await tx.query(
    `insert into sluice.step_log_chunks
       (tenant_id, promotion_id, step_id, round, member_key, stream, attempt, sequence, byte_offset, content)
     select $1, $2, $3, $4, $5, $6, $7, c.sequence, c.byte_offset, c.content
       from unnest($8::integer[], $9::bigint[], $10::text[]) as c(sequence, byte_offset, content)
     on conflict do nothing`,
    [
      ...logValues(tx, log),
      chunks.map(({ seq }) => seq),
      chunks.map(({ byteOffset }) => byteOffset),
      chunks.map(({ text }) => text),
    ],
  );
  await notify(tx, log);
  return true;
}

/**
 * Chunks that end behind a byte, in order: the first one may begin before it. None once the log has ended.
 * @param place of the last byte that was read, and how many chunks
 */
export async function listLogChunksAfter(
  tx: Tx,
  log: StepLogRef,
  { afterOffset, limit }: { readonly afterOffset: number; readonly limit: number },
): Promise<readonly StepLogChunk[]> {
  const { rows } = await tx.query<StepLogChunk>(
    `select sequence as seq, byte_offset as "byteOffset", content as text from sluice.step_log_chunks
      where ${OF_LOG} and byte_offset > $8::bigint - ${MAX_LOG_CHUNK_BYTES}
        and byte_offset + octet_length(content) > $8
      order by byte_offset
      limit $9`,
    [...logValues(tx, log), afterOffset, limit],
  );
  return rows;
}

/**
 * Names the blob that holds the whole log, counts it, and removes its chunks; false when that was done before. It takes the step's row, as
 * opening does: what else the same transaction takes comes after it.
 */
export async function closeStepLog(
  tx: Tx,
  log: StepLogRef,
  kept: { readonly digest: string; readonly bytes: number; readonly truncatedBytes: number },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `with closed as (
       update sluice.step_logs set log_digest = $8, bytes = $9, truncated_bytes = $10, ended_at = now()
        where ${OF_LOG} and ended_at is null
       returning bytes)
     update sluice.promotion_steps set log_bytes = log_bytes + closed.bytes from closed
      where tenant_id = $1 and promotion_id = $2 and step_id = $3`,
    [...logValues(tx, log), kept.digest, kept.bytes, kept.truncatedBytes],
  );
  if (rowCount === 0) return false;
  await tx.query(`delete from sluice.step_log_chunks where ${OF_LOG}`, logValues(tx, log));
  await notify(tx, log);
  return true;
}

/** Bytes of all logs of a promotion: those that have ended, and what of the others is stored but for their last chunks. */
export async function sumStepLogs(tx: Tx, promotionId: string): Promise<number> {
  const row = firstOf(
    // Members may have written ten thousand: only those are looked at that are being written.
    await tx.query<{ bytes: number }>(
      `select (
         (select coalesce(sum(log_bytes), 0) from sluice.promotion_steps
           where tenant_id = $1 and promotion_id = $2) +
         (select coalesce(sum(c.byte_offset), 0)
            from sluice.step_logs l
            cross join lateral (
              select byte_offset from sluice.step_log_chunks c
               where c.tenant_id = l.tenant_id and c.promotion_id = l.promotion_id
                 and c.step_id = l.step_id and c.round = l.round and c.member_key = l.member_key
                 and c.stream = l.stream and c.attempt = l.attempt
               order by byte_offset desc
               limit 1) c
           where l.tenant_id = $1 and l.promotion_id = $2 and l.ended_at is null))::float8 as bytes`,
      [tx.tenantId, promotionId],
    ),
  );
  return row?.bytes ?? 0;
}

/** Which open logs {@link listOpenStepLogs} reads. */
export interface OpenStepLogs {
  readonly promotionId: string;
  readonly stepId?: string | undefined;
  /** Those that come after this one: the last of those that were read. */
  readonly after?: StepLogRef | undefined;
}

/**
 * Logs of a promotion, or of one of its steps, that have not ended, in the order of step, round, member, stream and attempt; at most 1,000
 * at once.
 */
export async function listOpenStepLogs(
  tx: Tx,
  { promotionId, stepId, after }: OpenStepLogs,
): Promise<readonly StepLogRef[]> {
  const { rows } = await tx.query<StepLogRef>(
    `select ${KEY} from sluice.step_logs
      where tenant_id = $1 and promotion_id = $2 and ended_at is null and ($3::text is null or step_id = $3)
        and (step_id, round, member_key, stream, attempt)
            > ($4::text, $5::integer, $6::text, $7::text, $8::integer)
      order by step_id, round, member_key, stream, attempt
      limit ${OPEN_LOGS_A_READ}`,
    [
      tx.tenantId,
      promotionId,
      stepId ?? null,
      after?.stepId ?? '',
      after?.round ?? 0,
      after?.memberKey ?? '',
      after?.stream ?? '',
      after?.attempt ?? 0,
    ],
  );
  return rows;
}

/** One log. */
export async function findStepLog(tx: Tx, log: StepLogRef): Promise<StepLogRecord | undefined> {
  return firstOf(
    await tx.query<StepLogRecord>(
      `select ${STEP_LOG_COLUMNS} from sluice.step_logs where ${OF_LOG}`,
      logValues(tx, log),
    ),
  );
}

/** Logs of a promotion, or of one of its steps, in the order of step, round, member, stream and attempt. */
export async function listStepLogs(
  tx: Tx,
  input: PageRequest & { readonly promotionId: string; readonly stepId?: string | undefined },
): Promise<Page<StepLogRecord>> {
  const shape = ['string', 'number', 'string', 'string', 'number'] as const;
  const after = decodeCursor(input.after, shape) ?? ['', 0, '', '', 0];
  const { rows } = await tx.query<StepLogRecord>(
    `select ${STEP_LOG_COLUMNS} from sluice.step_logs
      where tenant_id = $1 and promotion_id = $2 and ($9::text is null or step_id = $9)
        and (step_id, round, member_key, stream, attempt)
            > ($3::text, $4::integer, $5::text, $6::text, $7::integer)
      order by step_id, round, member_key, stream, attempt
      limit $8`,
    [tx.tenantId, input.promotionId, ...after, rowsToRead(input), input.stepId ?? null],
  );
  return pageOf(rows, input, ({ stepId, round, memberKey, stream, attempt }) => [
    stepId,
    round,
    memberKey,
    stream,
    attempt,
  ]);
}

async function notify(tx: Tx, { promotionId, stepId }: StepLogKey): Promise<void> {
  await tx.query(`select pg_notify('${STEP_LOGS_CHANNEL}', $1)`, [
    stepLogsPayload(tx.tenantId, promotionId, stepId),
  ]);
}
