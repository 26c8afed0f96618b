import type { Pool } from '../pool.ts';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';
import { storableText } from './storable.ts';

/** A call to the engine that a committed transaction asked for. */
export type OutboxMessage =
  | {
      readonly kind: 'start-workflow';
      readonly body: {
        readonly workflowId: string;
        readonly workflowType: string;
        readonly taskQueue: string;
        readonly input: unknown;
        readonly searchAttributes: {
          readonly tenant: string;
          readonly environment?: string;
          readonly release?: string;
        };
        /** Starts it again when an earlier run of this id failed; one that runs or succeeded is left alone. */
        readonly restart?: 'after-failure';
      };
    }
  | {
      readonly kind: 'signal-workflow';
      readonly body: {
        readonly workflowId: string;
        readonly signal: string;
        readonly input: unknown;
      };
    }
  | {
      readonly kind: 'complete-activity';
      readonly body: {
        readonly workflowId: string;
        readonly runId: string;
        readonly activityId: string;
        readonly result: unknown;
      };
    }
  | {
      /** Ends a workflow that was asked to end before; one that has ended meanwhile is left alone. */
      readonly kind: 'terminate-workflow';
      readonly body: {
        readonly workflowId: string;
        readonly reason: string;
      };
    }
  | {
      /** Ends a run and begins it again from the end of a workflow task; one that is no longer the newest run is left alone. */
      readonly kind: 'reset-workflow';
      readonly body: {
        readonly workflowId: string;
        readonly runId: string;
        /** Number of a WorkflowTaskCompleted event of that run. */
        readonly eventId: number;
        readonly reason: string;
        /** Idempotency key of the engine's call. */
        readonly requestId: string;
      };
    }
  | {
      /** Tries every activity that waits for its next attempt at once. */
      readonly kind: 'retry-activity';
      readonly body: { readonly workflowId: string };
    };

/** A message that a relay has claimed. */
export type OutboxRecord = OutboxMessage & {
  readonly tenantId: string;
  readonly outboxId: number;
  /** Claims so far, this one included. */
  readonly attempts: number;
  readonly createdAt: string;
};

/** Notified without a payload when a message was stored. */
export const OUTBOX_CHANNEL = 'sluice_outbox';

/** How long a claim is respected: after this time another relay takes the message again. Seconds. */
export const OUTBOX_CLAIM_SECONDS = 30;

/**
 * Stores a call to the engine in the transaction that needs it, and wakes the relay at commit. With `delaySeconds` it is
 * not made before that time is over; at once when absent.
 */
export async function enqueueOutbox(
  tx: Tx,
  message: OutboxMessage,
  { delaySeconds = 0 }: { readonly delaySeconds?: number } = {},
): Promise<void> {
  await tx.query(
    `insert into sluice.outbox (tenant_id, kind, body, next_attempt_at)
     values ($1, $2, $3, now() + make_interval(secs => $4))`,
    [tx.tenantId, message.kind, JSON.stringify(message.body), delaySeconds],
  );
  // Whatever is started owes an archived history from then on; what is started or reset once more owes it again.
  if (message.kind === 'start-workflow') {
    await expectHistory(tx, message.body.workflowId, message.body.workflowType);
  } else if (message.kind === 'reset-workflow') {
    await tx.query(
      `update sluice.workflow_executions set archived_at = null, lost_at = null, look_at = now() + interval '2 seconds'
        where tenant_id = $1 and workflow_id = $2`,
      [tx.tenantId, message.body.workflowId],
    );
  }
  await tx.query(`select pg_notify('${OUTBOX_CHANNEL}', '')`);
}

/** Notes that a workflow runs which another one started: its history is archived like that of one that somebody asked for. */
export async function noteExecution(
  tx: Tx,
  workflowId: string,
  workflowType: string,
): Promise<void> {
  await tx.query(
    `insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type) values ($1, $2, $3)
     on conflict (tenant_id, workflow_id) do nothing`,
    [tx.tenantId, workflowId, workflowType],
  );
}

async function expectHistory(tx: Tx, workflowId: string, workflowType: string): Promise<void> {
  await tx.query(
    `insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type) values ($1, $2, $3)
     on conflict (tenant_id, workflow_id)
     do update set archived_at = null, lost_at = null, look_at = now() + interval '2 seconds'`,
    [tx.tenantId, workflowId, workflowType],
  );
}

/**
 * Claims due messages of all tenants, longest due first; at most `limit` (100 when absent). Settle each with
 * {@link settleOutbox} or {@link deferOutbox} within {@link OUTBOX_CLAIM_SECONDS}, else it comes again:
 * delivery is at least once. For the role sluice_relay.
 */
export async function claimOutbox(
  pool: Pool,
  { limit = 100 }: { readonly limit?: number } = {},
): Promise<readonly OutboxRecord[]> {
  const { rows } = await pool.query<OutboxRecord>(
    `with due as materialized (
       select tenant_id, outbox_id from sluice.outbox
        where delivered_at is null and next_attempt_at <= now()
        order by next_attempt_at
        limit $1
        for update skip locked)
     update sluice.outbox o
        set attempts = o.attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
       from due
      where o.tenant_id = due.tenant_id and o.outbox_id = due.outbox_id
     returning o.tenant_id as "tenantId", o.outbox_id as "outboxId", o.kind, o.body, o.attempts,
       o.created_at as "createdAt"`,
    [limit, OUTBOX_CLAIM_SECONDS],
  );
  return [...rows].sort((a, b) => a.outboxId - b.outboxId);
}

/** Marks a message as delivered; false when another relay did so before. */
export async function settleOutbox(
  pool: Pool,
  message: Pick<OutboxRecord, 'tenantId' | 'outboxId'>,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sluice.outbox set delivered_at = now(), last_error = null
      where tenant_id = $1 and outbox_id = $2 and delivered_at is null`,
    [message.tenantId, message.outboxId],
  );
  return rowCount === 1;
}

/**
 * Puts a message that could not be delivered off: 0.25 s after the first attempt, doubled with each further
 * one, 30 s at most, spread by up to a half.
 */
export async function deferOutbox(
  pool: Pool,
  message: Pick<OutboxRecord, 'tenantId' | 'outboxId'>,
  error: string,
): Promise<void> {
  await pool.query(
    `update sluice.outbox
        set next_attempt_at = now()
              + make_interval(secs => least(30, 0.125 * 2 ^ least(attempts, 20)) * (0.5 + random() / 2)),
            last_error = $3
      where tenant_id = $1 and outbox_id = $2 and delivered_at is null`,
    [message.tenantId, message.outboxId, storableText(error).slice(0, 1000)],
  );
}

/** How much is undelivered, and how long the relay may sleep. For the role sluice_relay. */
export async function readOutboxBacklog(pool: Pool): Promise<{
  readonly pending: number;
  /** Age of the oldest undelivered message in seconds; 0 when there is none. */
  readonly oldestSeconds: number;
  /** Milliseconds until the next message is due; null when there is none. */
  readonly nextDueMs: number | null;
}> {
  const row = firstOf(
    await pool.query<{ pending: number; oldestSeconds: number; nextDueMs: number | null }>(
      `select count(*) as pending,
              coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as "oldestSeconds",
              case when count(*) > 0 then
                greatest(0, extract(epoch from min(next_attempt_at) - now()) * 1000)::float8 end as "nextDueMs"
         from sluice.outbox
        where delivered_at is null`,
    ),
  );
  return row ?? { pending: 0, oldestSeconds: 0, nextDueMs: null };
}
