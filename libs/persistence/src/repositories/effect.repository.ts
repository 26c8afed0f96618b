import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';
import { storableJson } from './storable.ts';

/** That an effect of a step was done, and what came of it. */
export interface EffectRecord<Result = unknown> {
  readonly idempotencyKey: string;
  readonly promotionId: string;
  readonly stepId: string;
  readonly target: string | null;
  readonly result: Result;
  readonly createdAt: string;
}

const COLUMNS = `idempotency_key as "idempotencyKey", promotion_id as "promotionId", step_id as "stepId",
  target_id as target, result, created_at as "createdAt"`;

/** The effect of this key, when it was done before. */
export async function findEffect<Result = unknown>(
  tx: Tx,
  idempotencyKey: string,
): Promise<EffectRecord<Result> | undefined> {
  return firstOf(
    await tx.query<EffectRecord<Result>>(
      `select ${COLUMNS} from sluice.effects where tenant_id = $1 and idempotency_key = $2`,
      [tx.tenantId, idempotencyKey],
    ),
  );
}

/**
 * Stores an effect once: the record that was stored first comes back, `inserted` says whether it is this
 * one. A concurrent transaction with the same key is waited for.
 */
export async function insertEffect<Result>(
  tx: Tx,
  input: {
    readonly idempotencyKey: string;
    readonly promotionId: string;
    readonly stepId: string;
    readonly target?: string | null;
    readonly result: Result;
  },
): Promise<{ readonly inserted: boolean; readonly effect: EffectRecord<Result> }> {
  const { rows } = await tx.query<EffectRecord<Result>>(
    `insert into sluice.effects (tenant_id, idempotency_key, promotion_id, step_id, target_id, result)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant_id, idempotency_key) do nothing
     returning ${COLUMNS}`,
    [
      tx.tenantId,
      input.idempotencyKey,
      input.promotionId,
      input.stepId,
      input.target ?? null,
      storableJson(input.result),
    ],
  );
  if (rows[0] !== undefined) return { inserted: true, effect: rows[0] };
  const stored = await findEffect<Result>(tx, input.idempotencyKey);
  const effect = existing(stored, `effect ${input.idempotencyKey}`, tx.tenantId);
  return { inserted: false, effect };
}

/** The effects of one promotion, oldest first; of one step when it is named. */
export async function listEffects(
  tx: Tx,
  promotionId: string,
  stepId?: string,
): Promise<readonly EffectRecord[]> {
  const { rows } = await tx.query<EffectRecord>(
    `select ${COLUMNS} from sluice.effects
      where tenant_id = $1 and promotion_id = $2 and ($3::text is null or step_id = $3)
      order by created_at, idempotency_key`,
    [tx.tenantId, promotionId, stepId ?? null],
  );
  return rows;
}
