import type { RolloutAction } from '@sluice/domain';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** What one person did to a rollout, or tried to, and what came of it. */
export interface RolloutSteerRecord {
  /** The Update's id: `<principal>/<idempotency key>`. */
  readonly steerId: string;
  readonly promotionId: string;
  readonly stepId: string;
  readonly action: RolloutAction;
  readonly principalId: string;
  /** The person behind the principal. */
  readonly personId: string;
  /** May be empty. */
  readonly comment: string;
  /** Only a `recorded` one moved anything; `asked` until the promotion answered. */
  readonly state: 'asked' | 'recorded' | 'refused';
  readonly refusal: ReasonRecord | null;
  /** The round that it met; null until it is recorded. */
  readonly round: number | null;
  /** Index of the stage that it met; null until it is recorded. */
  readonly stage: number | null;
  readonly askedAt: string;
  readonly decidedAt: string | null;
}

/** A steer as it is asked for. */
export type NewRolloutSteer = Omit<
  RolloutSteerRecord,
  'state' | 'refusal' | 'round' | 'stage' | 'askedAt' | 'decidedAt'
>;

/** Steers of one answer of {@link listRolloutSteersOf}, of one promotion: the newest. */
export const MAX_STEERS_A_PROMOTION = 200;

const COLUMNS = `steer_id as "steerId", promotion_id as "promotionId", step_id as "stepId", action,
  principal_id as "principalId", person_id as "personId", comment, state,
  ${reasonColumn('refusal_code', 'refusal_message', 'refusal')}, round, stage,
  asked_at as "askedAt", decided_at as "decidedAt"`;

/**
 * Stores a steer as `asked`, once: what was stored first under this id comes back, `inserted` says whether it is this
 * one. A concurrent transaction with the same id is waited for. Hand on the comment that comes back: what Postgres cannot
 * hold was replaced in it. For the role sluice_app only.
 */
export async function insertSteer(
  tx: Tx,
  input: NewRolloutSteer,
): Promise<{ readonly inserted: boolean; readonly steer: RolloutSteerRecord }> {
  const { rowCount } = await tx.query(
    `insert into sluice.rollout_steers (tenant_id, steer_id, promotion_id, step_id, action, principal_id, person_id, comment)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (tenant_id, steer_id) do nothing`,
    [
      tx.tenantId,
      input.steerId,
      input.promotionId,
      input.stepId,
      input.action,
      input.principalId,
      input.personId,
      storableText(input.comment),
    ],
  );
  const stored = await findSteer(tx, input.steerId);
  return {
    inserted: rowCount === 1,
    steer: existing(stored, `steer ${input.steerId}`, tx.tenantId),
  };
}

/** Asks again what was refused before: its time may have come since. False unless it was refused. */
export async function reaskSteer(tx: Tx, steerId: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.rollout_steers
        set state = 'asked', refusal_code = null, refusal_message = null, decided_at = null
      where tenant_id = $1 and steer_id = $2 and state = 'refused'`,
    [tx.tenantId, steerId],
  );
  return rowCount === 1;
}

/**
 * Notes that the promotion took a steer into account, whatever an earlier refusal said; false when that was noted before. For the
 * role sluice_worker only.
 * Throws `not-found`, and `record-conflict` when it was recorded elsewhere.
 */
export async function recordSteer(
  tx: Tx,
  input: { readonly steerId: string; readonly round: number; readonly stage: number },
): Promise<boolean> {
  const { steerId, round, stage } = input;
  const { rowCount } = await tx.query(
    `update sluice.rollout_steers
        set state = 'recorded', round = $3, stage = $4, refusal_code = null, refusal_message = null, decided_at = now()
      where tenant_id = $1 and steer_id = $2 and state <> 'recorded'`,
    [tx.tenantId, steerId, round, stage],
  );
  if (rowCount === 1) return true;
  const stored = existing(await findSteer(tx, steerId), `steer ${steerId}`, tx.tenantId);
  if (stored.round !== round || stored.stage !== stage) {
    throw new PersistenceError(
      'record-conflict',
      `Steer ${steerId} is recorded in round ${stored.round} at stage ${stored.stage}; round ${round} and stage ${stage} were not stored.`,
    );
  }
  return false;
}

/** Notes why a steer moved nothing; false unless it was still asked. For the role sluice_app. */
export async function refuseSteer(
  tx: Tx,
  input: { readonly steerId: string; readonly code: string; readonly message: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.rollout_steers
        set state = 'refused', refusal_code = $3, refusal_message = $4, decided_at = now()
      where tenant_id = $1 and steer_id = $2 and state = 'asked'`,
    [tx.tenantId, input.steerId, input.code, storableText(input.message)],
  );
  return rowCount === 1;
}

/** A steer by its id. */
export async function findSteer(tx: Tx, steerId: string): Promise<RolloutSteerRecord | undefined> {
  return firstOf(
    await tx.query<RolloutSteerRecord>(
      `select ${COLUMNS} from sluice.rollout_steers where tenant_id = $1 and steer_id = $2`,
      [tx.tenantId, steerId],
    ),
  );
}

/**
 * What people did to the rollouts of these promotions, oldest first, refused and unanswered ones too; of each promotion the newest
 * {@link MAX_STEERS_A_PROMOTION}: for a batch loader.
 */
export async function listRolloutSteersOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly RolloutSteerRecord[]> {
  const { rows } = await tx.query<RolloutSteerRecord>(
    `select k.* from unnest($2::text[]) as p(id)
      cross join lateral (
        select ${COLUMNS} from sluice.rollout_steers
         where tenant_id = $1 and promotion_id = p.id
         order by asked_at desc, steer_id desc
         limit ${MAX_STEERS_A_PROMOTION}) k
      order by "promotionId", "askedAt", "steerId"`,
    [tx.tenantId, [...new Set(promotionIds)]],
  );
  return rows;
}
