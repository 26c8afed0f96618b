import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** Names one mutation of one principal. */
export interface IdempotencyKey {
  readonly principalId: string;
  /** Name of the mutation. */
  readonly operation: string;
  /** Chosen by the client; 1 to 200 characters. */
  readonly key: string;
  /** Digest of what was asked for, without the key. */
  readonly payloadDigest: string;
}

/** `conflict`: the key came with another payload before; nothing was done. */
export type OnceAnswer<Answer> =
  | { readonly kind: 'first'; readonly answer: Answer }
  | { readonly kind: 'repeated'; readonly answer: Answer }
  | { readonly kind: 'conflict' };

/**
 * Gives a mutation's answer once: the first call with a key runs `give` and stores what it answers, with all
 * else that this transaction writes; every later one gets the stored answer (JSON). A call that runs at the
 * same time waits for the first. When `give` throws, nothing is stored and the key is free again.
 */
export async function answerOnce<Answer>(
  tx: Tx,
  key: IdempotencyKey,
  give: () => Promise<Answer>,
): Promise<OnceAnswer<Answer>> {
  const names = [tx.tenantId, key.principalId, key.operation, key.key];
  await tx.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [
    `sluice.idempotency:${JSON.stringify(names)}`,
  ]);
  const stored = firstOf(
    await tx.query<{ payloadDigest: string; answer: { value: Answer } }>(
      `select payload_digest as "payloadDigest", answer from sluice.idempotency_keys
        where tenant_id = $1 and principal_id = $2 and operation = $3 and idempotency_key = $4`,
      names,
    ),
  );
  if (stored !== undefined) {
    if (stored.payloadDigest !== key.payloadDigest) return { kind: 'conflict' };
    return { kind: 'repeated', answer: stored.answer.value };
  }
  const answer = await give();
  await tx.query(
    `insert into sluice.idempotency_keys (tenant_id, principal_id, operation, idempotency_key,
       payload_digest, answer)
     values ($1, $2, $3, $4, $5, $6)`,
    [...names, key.payloadDigest, JSON.stringify({ value: answer })],
  );
  return { kind: 'first', answer };
}
