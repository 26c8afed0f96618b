import {
  isPromotionEnd,
  isPromotionTransition,
  type JsonValue,
  type PromotionKind,
  type PromotionState,
  type RollbackTo,
} from '@sluice/domain';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { insertSteps, type NewStep } from './promotion-step.repository.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** A stored promotion. */
export interface PromotionRecord {
  /** `<environment>/<number>`. */
  readonly promotionId: string;
  readonly environment: string;
  readonly number: number;
  readonly releaseDigest: string;
  readonly kind: PromotionKind;
  readonly state: PromotionState;
  readonly reason: ReasonRecord | null;
  /** The frozen rules; null before they were. */
  readonly rules: Readonly<Record<string, unknown>> | null;
  readonly requestedBy: string;
  /** The person behind `requestedBy`: nobody approves what they asked for, by whatever route. */
  readonly requestedPerson: string;
  /** Why a rollback was asked for; null of a promote. */
  readonly requestedReason: string | null;
  /** What a rollback was asked to put there; null of a promote. */
  readonly rollbackTo: RollbackTo | null;
  /** Of its pipeline, as they were given with the request, by name. */
  readonly parameters: Readonly<Record<string, JsonValue>>;
  readonly traceparent: string;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly cancelRequestedAt: string | null;
  readonly packetDigest: string | null;
  /** Digest of the workflow code that froze its rules; null before that, or where it was not known. */
  readonly bundleDigest: string | null;
  /** Id of the rollback that took the lease from it. */
  readonly supersededBy: string | null;
}

/** What a rollback was asked for; its promotion statement says the same. */
export interface AskedRollback {
  readonly to: RollbackTo;
  readonly reason: string;
}

/** What a rollback was asked for; undefined of a promote. */
export function askedRollbackOf({
  rollbackTo,
  requestedReason,
}: Pick<PromotionRecord, 'rollbackTo' | 'requestedReason'>): AskedRollback | undefined {
  if (rollbackTo === null || requestedReason === null) return undefined;
  return { to: rollbackTo, reason: requestedReason };
}

/** The columns of {@link PromotionRecord}, of the table `promotions`. */
export const PROMOTION_COLUMNS = `promotion_id as "promotionId", environment_id as environment, number,
  release_digest as "releaseDigest", kind, state, ${reasonColumn('reason_code', 'reason_message', 'reason')},
  rules, requested_by as "requestedBy", requested_person as "requestedPerson",
  requested_reason as "requestedReason", rollback_to as "rollbackTo", parameters, traceparent, requested_at as "requestedAt",
  started_at as "startedAt", ended_at as "endedAt", cancel_requested_at as "cancelRequestedAt",
  packet_digest as "packetDigest", bundle_digest as "bundleDigest", superseded_by as "supersededBy"`;

/**
 * Stores a promotion in the state `requested`, with the environment's next number, and its steps as
 * `pending`. Throws `not-found` for an environment that does not exist or was removed; the database refuses a rollback
 * that does not say what was asked, and a promote that does.
 */
export async function insertPromotion(
  tx: Tx,
  input: {
    readonly environment: string;
    readonly releaseDigest: string;
    readonly kind: PromotionKind;
    readonly requestedBy: string;
    /** The principal itself, or the owner of a service account. */
    readonly requestedPerson: string;
    /** Of a rollback, and of nothing else. */
    readonly rollback?: AskedRollback | undefined;
    /** Of its pipeline; none when absent. A rollback has none. */
    readonly parameters?: Readonly<Record<string, JsonValue>> | undefined;
    readonly traceparent: string;
    /** None where they are known only when the rules are frozen. */
    readonly steps: readonly NewStep[];
  },
): Promise<PromotionRecord> {
  const counted = await tx.query<{ number: number }>(
    `update sluice.environments set last_promotion_number = last_promotion_number + 1
      where tenant_id = $1 and environment_id = $2 and removed_at is null
      returning last_promotion_number as number`,
    [tx.tenantId, input.environment],
  );
  const { number } = existing(counted.rows[0], `environment ${input.environment}`, tx.tenantId);
  const promotionId = `${input.environment}/${number}`;
  const { rows } = await tx.query<PromotionRecord>(
    `insert into sluice.promotions (tenant_id, promotion_id, environment_id, number, release_digest, kind,
       state, requested_by, requested_person, requested_reason, rollback_to, traceparent, parameters)
     values ($1, $2, $3, $4, $5, $6, 'requested', $7, $8, $9, $10, $11, $12)
     returning ${PROMOTION_COLUMNS}`,
    [
      tx.tenantId,
      promotionId,
      input.environment,
      number,
      input.releaseDigest,
      input.kind,
      input.requestedBy,
      input.requestedPerson,
      input.rollback?.reason ?? null,
      input.rollback?.to ?? null,
      input.traceparent,
      JSON.stringify(input.parameters ?? {}),
    ],
  );
  await insertSteps(tx, promotionId, input.steps);
  return existing(rows[0], `promotion ${promotionId}`, tx.tenantId);
}

/** A promotion by its id. */
export async function findPromotion(
  tx: Tx,
  promotionId: string,
): Promise<PromotionRecord | undefined> {
  return firstOf(
    await tx.query<PromotionRecord>(
      `select ${PROMOTION_COLUMNS} from sluice.promotions where tenant_id = $1 and promotion_id = $2`,
      [tx.tenantId, promotionId],
    ),
  );
}

/** As {@link findPromotion}; without its rules, which can be large, where somebody knows them already. */
export async function findPromotionHead(
  tx: Tx,
  promotionId: string,
  { withRules }: { readonly withRules: boolean },
): Promise<PromotionRecord | undefined> {
  if (withRules) return findPromotion(tx, promotionId);
  const columns = PROMOTION_COLUMNS.replace(/\brules,/, 'null as rules,');
  return firstOf(
    await tx.query<PromotionRecord>(
      `select ${columns} from sluice.promotions where tenant_id = $1 and promotion_id = $2`,
      [tx.tenantId, promotionId],
    ),
  );
}

/** A promotion by its id; throws `not-found`. */
export async function getPromotion(tx: Tx, promotionId: string): Promise<PromotionRecord> {
  return existing(await findPromotion(tx, promotionId), `promotion ${promotionId}`, tx.tenantId);
}

/** As {@link getPromotion}, without its rules, which can be large. */
export async function getPromotionHead(tx: Tx, promotionId: string): Promise<PromotionRecord> {
  const head = await findPromotionHead(tx, promotionId, { withRules: false });
  return existing(head, `promotion ${promotionId}`, tx.tenantId);
}

/**
 * Keeps a promotion from ending until this transaction does. Throws `illegal-transition` when it has ended, `not-found`
 * for no promotion.
 */
export async function assertPromotionOpen(tx: Tx, promotionId: string): Promise<void> {
  const { rows } = await tx.query<{ state: PromotionState }>(
    `select state from sluice.promotions where tenant_id = $1 and promotion_id = $2 for share`,
    [tx.tenantId, promotionId],
  );
  const { state } = existing(rows[0], `promotion ${promotionId}`, tx.tenantId);
  if (!isPromotionEnd(state)) return;
  throw new PersistenceError(
    'illegal-transition',
    `Promotion ${promotionId} is ${state}: it has ended and takes nothing more.`,
  );
}

/**
 * Changes a promotion's state by the domain's transition table; true when it changed, false when it was in
 * this state already. The first `running` sets `startedAt`, an end state `endedAt`.
 * Throws `illegal-transition` for a change that the table does not have, `not-found` for no promotion.
 */
export async function setPromotionState(
  tx: Tx,
  input: {
    readonly promotionId: string;
    readonly state: PromotionState;
    readonly reason?: ReasonRecord | null;
    /** RFC 3339; when an end state was reached. The transaction's time when absent. */
    readonly endedAt?: string;
  },
): Promise<boolean> {
  const { promotionId, state } = input;
  const current = await tx.query<{ state: PromotionState }>(
    `select state from sluice.promotions where tenant_id = $1 and promotion_id = $2 for no key update`,
    [tx.tenantId, promotionId],
  );
  const from = existing(current.rows[0], `promotion ${promotionId}`, tx.tenantId).state;
  if (from === state) return false;
  if (!isPromotionTransition(from, state)) {
    throw new PersistenceError(
      'illegal-transition',
      `Promotion ${promotionId} is ${from} and cannot become ${state}: read its state again.`,
    );
  }
  await tx.query(
    `update sluice.promotions
        set state = $3, reason_code = $4, reason_message = $5,
            started_at = case when $3 = 'running' then coalesce(started_at, now()) else started_at end,
            ended_at = case when $6 then coalesce($7::timestamptz, now()) end
      where tenant_id = $1 and promotion_id = $2`,
    [
      tx.tenantId,
      promotionId,
      state,
      input.reason?.code ?? null,
      input.reason ? storableText(input.reason.message) : null,
      isPromotionEnd(state),
      input.endedAt ?? null,
    ],
  );
  return true;
}

/** Names the sealed packet. Throws `record-conflict` when another one was named before. */
export async function setPacketDigest(
  tx: Tx,
  promotionId: string,
  packetDigest: string,
): Promise<void> {
  const { rows } = await tx.query<{ packetDigest: string }>(
    `update sluice.promotions set packet_digest = coalesce(packet_digest, $3)
      where tenant_id = $1 and promotion_id = $2
      returning packet_digest as "packetDigest"`,
    [tx.tenantId, promotionId, packetDigest],
  );
  const stored = existing(rows[0], `promotion ${promotionId}`, tx.tenantId).packetDigest;
  if (stored !== packetDigest) {
    throw new PersistenceError(
      'record-conflict',
      `Promotion ${promotionId} is sealed as ${stored}; ${packetDigest} was not stored.`,
    );
  }
}

/** Notes which rollback took the lease from a promotion; false when it has ended or another one was first. */
export async function markSuperseded(
  tx: Tx,
  input: { readonly promotionId: string; readonly by: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.promotions set superseded_by = $3
      where tenant_id = $1 and promotion_id = $2 and ended_at is null and superseded_by is null`,
    [tx.tenantId, input.promotionId, input.by],
  );
  return rowCount === 1;
}

/** What became of a wish to cancel. */
export type CancelAnswer = 'requested' | 'already-requested' | 'ended';

/** Notes that somebody asked for the end; `ended` when it was over before. Throws `not-found`. */
export async function requestCancel(tx: Tx, promotionId: string): Promise<CancelAnswer> {
  const { rows } = await tx.query<Pick<PromotionRecord, 'state' | 'cancelRequestedAt'>>(
    `select state, cancel_requested_at as "cancelRequestedAt" from sluice.promotions
      where tenant_id = $1 and promotion_id = $2
      for no key update`,
    [tx.tenantId, promotionId],
  );
  const promotion = existing(rows[0], `promotion ${promotionId}`, tx.tenantId);
  if (isPromotionEnd(promotion.state)) return 'ended';
  if (promotion.cancelRequestedAt !== null) return 'already-requested';
  await tx.query(
    `update sluice.promotions set cancel_requested_at = now() where tenant_id = $1 and promotion_id = $2`,
    [tx.tenantId, promotionId],
  );
  return 'requested';
}
