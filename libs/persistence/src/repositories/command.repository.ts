import type { CommandKind, Envelope } from '@sluice/domain';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** A signed command to a target's agent, and the asynchronous activity that its final report completes. */
export interface CommandRecord {
  readonly target: string;
  readonly sequence: number;
  readonly commandDigest: string;
  readonly kind: CommandKind;
  readonly promotionId: string;
  /** The release that the command puts there; null when it empties the target. */
  readonly releaseDigest: string | null;
  readonly idempotencyKey: string;
  readonly envelope: Envelope;
  /** Canonical JSON of the command's payload. */
  readonly payload: string;
  readonly fencingToken: number;
  readonly expiresAt: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
  readonly createdAt: string;
  readonly settledAt: string | null;
}

/** Notified with `<tenant>/<target>` when a command was stored: it only wakes the long poll. */
export const COMMANDS_CHANNEL = 'sluice_commands';

const COLUMNS = `target_id as target, sequence, command_digest as "commandDigest", kind,
  promotion_id as "promotionId", release_digest as "releaseDigest", idempotency_key as "idempotencyKey",
  envelope, payload, fencing_token as "fencingToken", expires_at as "expiresAt",
  workflow_id as "workflowId", run_id as "runId", activity_id as "activityId",
  created_at as "createdAt", settled_at as "settledAt"`;

/**
 * The target's next command sequence. The target's row stays locked until the transaction ends, so take it in
 * the transaction that stores the command: then commands appear in the order of their sequences.
 */
export async function nextCommandSequence(tx: Tx, target: string): Promise<number> {
  const { rows } = await tx.query<{ sequence: number }>(
    `update sluice.targets set last_command_sequence = last_command_sequence + 1
      where tenant_id = $1 and target_id = $2
      returning last_command_sequence as sequence`,
    [tx.tenantId, target],
  );
  return existing(rows[0], `target ${target}`, tx.tenantId).sequence;
}

/**
 * Stores a signed command and wakes the target's long poll. Throws `record-conflict` when its idempotency key
 * was used before: look with {@link findCommandByIdempotencyKey} first, in the same transaction, after
 * {@link nextCommandSequence}.
 */
export async function insertCommand(
  tx: Tx,
  command: Omit<CommandRecord, 'createdAt' | 'settledAt'>,
): Promise<void> {
  const { rowCount } = await tx.query(
    `insert into sluice.commands (tenant_id, target_id, sequence, command_digest, kind, promotion_id,
       release_digest, idempotency_key, envelope, payload, fencing_token, expires_at, workflow_id, run_id,
       activity_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
     on conflict do nothing`,
    [
      tx.tenantId,
      command.target,
      command.sequence,
      command.commandDigest,
      command.kind,
      command.promotionId,
      command.releaseDigest,
      command.idempotencyKey,
      JSON.stringify(command.envelope),
      command.payload,
      command.fencingToken,
      command.expiresAt,
      command.workflowId,
      command.runId,
      command.activityId,
    ],
  );
  if (rowCount === 0) {
    throw new PersistenceError(
      'record-conflict',
      `Command ${command.sequence} (${command.idempotencyKey}) of target ${command.target} exists: read it.`,
    );
  }
  await tx.query(`select pg_notify($1, $2)`, [
    COMMANDS_CHANNEL,
    `${tx.tenantId}/${command.target}`,
  ]);
}

/** The command that was stored under this key. */
export async function findCommandByIdempotencyKey(
  tx: Tx,
  idempotencyKey: string,
): Promise<CommandRecord | undefined> {
  return firstOf(
    await tx.query<CommandRecord>(
      `select ${COLUMNS} from sluice.commands where tenant_id = $1 and idempotency_key = $2`,
      [tx.tenantId, idempotencyKey],
    ),
  );
}

/** The command with this digest of its DSSE payload. */
export async function findCommandByDigest(
  tx: Tx,
  commandDigest: string,
): Promise<CommandRecord | undefined> {
  return firstOf(
    await tx.query<CommandRecord>(
      `select ${COLUMNS} from sluice.commands where tenant_id = $1 and command_digest = $2`,
      [tx.tenantId, commandDigest],
    ),
  );
}

/** The command whose final report completes this asynchronous activity. */
export async function findCommandOfActivity(
  tx: Tx,
  { workflowId, runId, activityId }: Pick<CommandRecord, 'workflowId' | 'runId' | 'activityId'>,
): Promise<CommandRecord | undefined> {
  return firstOf(
    await tx.query<CommandRecord>(
      `select ${COLUMNS} from sluice.commands
        where tenant_id = $1 and run_id = $2 and activity_id = $3 and workflow_id = $4
        order by target_id, sequence
        limit 1`,
      [tx.tenantId, runId, activityId, workflowId],
    ),
  );
}

/** The newest command of one kind that a promotion sent to a target. */
export async function findNewestCommand(
  tx: Tx,
  { promotionId, target, kind }: Pick<CommandRecord, 'promotionId' | 'target' | 'kind'>,
): Promise<CommandRecord | undefined> {
  return firstOf(
    await tx.query<CommandRecord>(
      `select ${COLUMNS} from sluice.commands
        where tenant_id = $1 and promotion_id = $2 and target_id = $3 and kind = $4
        order by sequence desc
        limit 1`,
      [tx.tenantId, promotionId, target, kind],
    ),
  );
}

/** A target's commands with a higher sequence, lowest first. */
export async function listCommandsAfter(
  tx: Tx,
  input: { readonly target: string; readonly after: number; readonly limit?: number },
): Promise<readonly CommandRecord[]> {
  const { rows } = await tx.query<CommandRecord>(
    `select ${COLUMNS} from sluice.commands
      where tenant_id = $1 and target_id = $2 and sequence > $3
      order by sequence
      limit $4`,
    [tx.tenantId, input.target, input.after, Math.min(input.limit ?? 20, 100)],
  );
  return rows;
}

/** The commands of a promotion, by target and sequence. */
export async function listCommands(tx: Tx, promotionId: string): Promise<readonly CommandRecord[]> {
  const { rows } = await tx.query<CommandRecord>(
    `select ${COLUMNS} from sluice.commands
      where tenant_id = $1 and promotion_id = $2
      order by target_id, sequence`,
    [tx.tenantId, promotionId],
  );
  return rows;
}

/** The commands of one promotion to one target, by sequence. */
export async function listCommandsTo(
  tx: Tx,
  { promotionId, target }: { readonly promotionId: string; readonly target: string },
): Promise<readonly CommandRecord[]> {
  const { rows } = await tx.query<CommandRecord>(
    `select ${COLUMNS} from sluice.commands
      where tenant_id = $1 and promotion_id = $2 and target_id = $3
      order by sequence`,
    [tx.tenantId, promotionId, target],
  );
  return rows;
}

/** The newest command of a promotion to one target, with what its agent said last and the agent's present key. */
export interface TargetOutcomeRecord {
  readonly target: string;
  readonly kind: CommandKind;
  readonly commandDigest: string;
  readonly envelope: Envelope;
  /** The signed final report; null before it. */
  readonly report: Envelope | null;
  /** SPKI PEM; null where no agent is enrolled, or its key was revoked. */
  readonly publicKey: string | null;
}

/** The newest command of a promotion to each of these targets, with its final report; of those that were sent one. */
export async function listNewestOutcomes(
  tx: Tx,
  input: { readonly promotionId: string; readonly targets: readonly string[] },
): Promise<readonly TargetOutcomeRecord[]> {
  const { rows } = await tx.query<TargetOutcomeRecord>(
    `select k.*, r.envelope as report, a.public_key as "publicKey"
       from unnest($3::text[]) as n(target)
      cross join lateral (
        select c.target_id as target, c.kind, c.command_digest as "commandDigest", c.envelope from sluice.commands c
         where c.tenant_id = $1 and c.promotion_id = $2 and c.target_id = n.target
         order by c.sequence desc
         limit 1) k
       left join sluice.agent_reports r on r.tenant_id = $1 and r.command_digest = k."commandDigest"
        and r.stage in ('confirmed', 'reverted', 'refused')
       left join sluice.agents a on a.tenant_id = $1 and a.target_id = k.target and a.revoked_at is null
      order by k.target`,
    [tx.tenantId, input.promotionId, [...new Set(input.targets)]],
  );
  return rows;
}

/** Under which keys a promotion's commands of one kind were sent, whatever the targets. */
export async function listCommandKeys(
  tx: Tx,
  { promotionId, kind }: { readonly promotionId: string; readonly kind: CommandKind },
): Promise<readonly Pick<CommandRecord, 'promotionId' | 'idempotencyKey'>[]> {
  const { rows } = await tx.query<Pick<CommandRecord, 'promotionId' | 'idempotencyKey'>>(
    `select promotion_id as "promotionId", idempotency_key as "idempotencyKey" from sluice.commands
      where tenant_id = $1 and promotion_id = $2 and kind = $3
      order by idempotency_key`,
    [tx.tenantId, promotionId, kind],
  );
  return rows;
}

/** Releases that commands to this target named, latest command first, at most 50: their blobs may be fetched. */
export async function listCommandedReleases(tx: Tx, target: string): Promise<readonly string[]> {
  const { rows } = await tx.query<{ releaseDigest: string }>(
    `select release_digest as "releaseDigest" from sluice.commands
      where tenant_id = $1 and target_id = $2 and release_digest is not null
      group by release_digest
      order by max(sequence) desc
      limit 50`,
    [tx.tenantId, target],
  );
  return rows.map((row) => row.releaseDigest);
}

/** Marks a command as over; false when it was before. */
export async function settleCommand(tx: Tx, commandDigest: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.commands set settled_at = now()
      where tenant_id = $1 and command_digest = $2 and settled_at is null`,
    [tx.tenantId, commandDigest],
  );
  return rowCount === 1;
}

/** Has the final report of a command complete another activity: one of a run that goes on where an earlier run stopped. */
export async function moveCommand(
  tx: Tx,
  commandDigest: string,
  place: Pick<CommandRecord, 'workflowId' | 'runId' | 'activityId'>,
): Promise<void> {
  await tx.query(
    `update sluice.commands set workflow_id = $3, run_id = $4, activity_id = $5
      where tenant_id = $1 and command_digest = $2`,
    [tx.tenantId, commandDigest, place.workflowId, place.runId, place.activityId],
  );
}
