import { answerOnce, type Tx } from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import { type GraphqlContext, principalOf } from './graphql-context.ts';
import { idempotencyConflict } from './refusal.ts';

/**
 * Gives the answer of a mutation once per principal and key, in the transaction in which it is made.
 * @param payload what was asked for, without the key
 * @throws RefusalException `IdempotencyConflict` when the key came with another payload before
 */
export async function answerCommand<Answer>(
  tx: Tx,
  context: GraphqlContext,
  operation: string,
  key: string,
  payload: Readonly<Record<string, unknown>>,
  give: () => Promise<Answer>,
): Promise<Answer> {
  const { principalId } = principalOf(context);
  const payloadDigest = digestOf(payload);
  const once = await answerOnce(tx, { principalId, operation, key, payloadDigest }, give);
  if (once.kind === 'conflict') throw idempotencyConflict(operation);
  return once.answer;
}

/** Thrown where an answer would be made; never seen outside. */
class NotAnswered extends Error {}

/**
 * The answer that a mutation gave under this key before, undefined when it gave none: for one that must ask somebody
 * outside of a transaction before it can answer.
 * @throws RefusalException `IdempotencyConflict` when the key came with another payload before
 */
export async function findAnswer<Answer>(
  tx: Tx,
  context: GraphqlContext,
  operation: string,
  key: string,
  payload: Readonly<Record<string, unknown>>,
): Promise<Answer | undefined> {
  try {
    return await answerCommand<Answer>(tx, context, operation, key, payload, () =>
      Promise.reject(new NotAnswered()),
    );
  } catch (error) {
    if (error instanceof NotAnswered) return undefined;
    throw error;
  }
}
