import type { Decision } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** A stored decision of one gate step; `body` is the whole of it. */
export interface DecisionRecord {
  readonly promotionId: string;
  readonly stepId: string;
  readonly body: Decision;
  readonly createdAt: string;
}

const COLUMNS = `promotion_id as "promotionId", step_id as "stepId", body, created_at as "createdAt"`;

/**
 * Stores what a gate answered; false when this very decision stands there already.
 * Throws `record-conflict` when another one does: a decision never changes.
 */
export async function insertDecision(
  tx: Tx,
  input: { readonly promotionId: string; readonly stepId: string; readonly decision: Decision },
): Promise<boolean> {
  const { promotionId, stepId, decision } = input;
  const { rowCount } = await tx.query(
    `insert into sluice.decisions (tenant_id, promotion_id, step_id, decision, reason_codes, policy_digest,
       input_digest, determinism_hash, evaluated_at, body)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (tenant_id, promotion_id, step_id) do nothing`,
    [
      tx.tenantId,
      promotionId,
      stepId,
      decision.decision,
      decision.reasonCodes,
      decision.policyDigest,
      decision.inputDigest,
      decision.determinismHash,
      decision.evaluatedAt,
      JSON.stringify(decision),
    ],
  );
  if (rowCount === 1) return true;
  const found = await findDecision(tx, promotionId, stepId);
  const stored = existing(found, `decision of ${stepId} in ${promotionId}`, tx.tenantId);
  if (digestOf(stored.body) === digestOf(decision)) return false;
  throw new PersistenceError(
    'record-conflict',
    `Step ${stepId} of ${promotionId} was decided before with another result; the first one stays.`,
  );
}

/** The decision of one step; without a step, the promotion's newest. */
export async function findDecision(
  tx: Tx,
  promotionId: string,
  stepId?: string,
): Promise<DecisionRecord | undefined> {
  return firstOf(
    await tx.query<DecisionRecord>(
      `select ${COLUMNS} from sluice.decisions
        where tenant_id = $1 and promotion_id = $2 and ($3::text is null or step_id = $3)
        order by created_at desc, step_id
        limit 1`,
      [tx.tenantId, promotionId, stepId ?? null],
    ),
  );
}

/** The decisions of many promotions, oldest first: for a batch loader. */
export async function listDecisionsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly DecisionRecord[]> {
  const { rows } = await tx.query<DecisionRecord>(
    `select ${COLUMNS} from sluice.decisions
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, created_at, step_id`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}
