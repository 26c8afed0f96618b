import type { Envelope } from '@sluice/domain';
import type { Tx } from '../transaction.ts';

/** A signed in-toto statement of a promotion. */
export interface StatementRecord {
  /** SHA-256 of the DSSE payload bytes. */
  readonly statementDigest: string;
  readonly promotionId: string;
  readonly stepId: string | null;
  readonly target: string | null;
  readonly predicateType: string;
  readonly envelope: Envelope;
  readonly createdAt: string;
}

const COLUMNS = `statement_digest as "statementDigest", promotion_id as "promotionId", step_id as "stepId",
  target_id as target, predicate_type as "predicateType", envelope, created_at as "createdAt"`;

/** Stores a statement; false when it stands there already. */
export async function insertStatement(
  tx: Tx,
  input: Pick<StatementRecord, 'statementDigest' | 'promotionId' | 'predicateType' | 'envelope'> & {
    readonly stepId?: string | null;
    readonly target?: string | null;
  },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.statements (tenant_id, statement_digest, promotion_id, step_id, target_id,
       predicate_type, envelope)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (tenant_id, statement_digest) do nothing`,
    [
      tx.tenantId,
      input.statementDigest,
      input.promotionId,
      input.stepId ?? null,
      input.target ?? null,
      input.predicateType,
      JSON.stringify(input.envelope),
    ],
  );
  return rowCount === 1;
}

/** The statements of a promotion, oldest first. */
export async function listStatements(
  tx: Tx,
  promotionId: string,
): Promise<readonly StatementRecord[]> {
  return listStatementsOf(tx, [promotionId]);
}

/** The statements of many promotions, each oldest first: for a batch loader. */
export async function listStatementsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly StatementRecord[]> {
  const { rows } = await tx.query<StatementRecord>(
    `select ${COLUMNS} from sluice.statements
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, ordinal`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}
