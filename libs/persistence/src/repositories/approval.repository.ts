import type { ApprovalDecision, PrincipalKind, Role } from '@sluice/domain';
import { isUniqueViolation } from '../database-errors.ts';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** What one person said, as the API authenticated them, and what came of it. */
export interface ApprovalRecord {
  /** The Update's id: `<principal>/<idempotency key>`. */
  readonly approvalId: string;
  readonly promotionId: string;
  readonly principalId: string;
  /** The person behind the principal. */
  readonly personId: string;
  readonly kind: PrincipalKind;
  readonly role: Role;
  readonly decision: ApprovalDecision;
  /** May be empty. */
  readonly comment: string;
  /** What they looked at. */
  readonly releaseDigest: string;
  /** Digest of the plan set that they looked at. */
  readonly planDigest: string;
  /** Only a `recorded` one counts; `asked` until the promotion answered. */
  readonly state: 'asked' | 'recorded' | 'refused';
  readonly refusal: ReasonRecord | null;
  /** The round in which it was recorded. */
  readonly round: number | null;
  /** The step that asked, once it is recorded; null too where it was recorded before several steps could ask. */
  readonly stepId: string | null;
  readonly statementDigest: string | null;
  readonly askedAt: string;
  readonly settledAt: string | null;
}

/** A decision as it is asked for. */
export type NewApproval = Omit<
  ApprovalRecord,
  'state' | 'refusal' | 'round' | 'stepId' | 'statementDigest' | 'askedAt' | 'settledAt'
>;

const COLUMNS = `approval_id as "approvalId", promotion_id as "promotionId", principal_id as "principalId",
  person_id as "personId", kind, role, decision, comment, release_digest as "releaseDigest",
  plan_set_digest as "planDigest", state, ${reasonColumn('refusal_code', 'refusal_message', 'refusal')},
  round, step_id as "stepId", statement_digest as "statementDigest", asked_at as "askedAt", settled_at as "settledAt"`;

/**
 * Stores a decision as `asked`, once: what was stored first under this id comes back, `inserted` says whether it is this
 * one. A concurrent transaction with the same id is waited for. Hand on the comment that comes back: what Postgres cannot
 * hold was replaced in it. For the role sluice_app only.
 */
export async function insertApproval(
  tx: Tx,
  input: NewApproval,
): Promise<{ readonly inserted: boolean; readonly approval: ApprovalRecord }> {
  const { rowCount } = await tx.query(
    `insert into sluice.approvals (tenant_id, approval_id, promotion_id, principal_id, person_id, kind, role,
       decision, comment, release_digest, plan_set_digest)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (tenant_id, approval_id) do nothing`,
    [
      tx.tenantId,
      input.approvalId,
      input.promotionId,
      input.principalId,
      input.personId,
      input.kind,
      input.role,
      input.decision,
      storableText(input.comment),
      input.releaseDigest,
      input.planDigest,
    ],
  );
  const stored = await findApproval(tx, input.approvalId);
  const approval = existing(stored, `approval ${input.approvalId}`, tx.tenantId);
  return { inserted: rowCount === 1, approval };
}

/** Asks again what was refused before: its time may have come since. False unless it was refused. */
export async function reaskApproval(tx: Tx, approvalId: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.approvals
        set state = 'asked', refusal_code = null, refusal_message = null, settled_at = null
      where tenant_id = $1 and approval_id = $2 and state = 'refused'`,
    [tx.tenantId, approvalId],
  );
  return rowCount === 1;
}

/**
 * Notes that the promotion took a decision into account, whatever an earlier refusal said; false when that was noted
 * before. For the role sluice_worker only.
 * Throws `not-found`, and `record-conflict` when it was recorded otherwise or the person counts already for this step and round.
 */
export async function recordApproval(
  tx: Tx,
  input: {
    readonly approvalId: string;
    readonly stepId: string;
    readonly round: number;
    readonly statementDigest: string;
  },
): Promise<boolean> {
  const { approvalId, stepId, round, statementDigest } = input;
  const update = tx.query(
    `update sluice.approvals
        set state = 'recorded', round = $3, statement_digest = $4, refusal_code = null, refusal_message = null,
            step_id = $5, settled_at = now()
      where tenant_id = $1 and approval_id = $2 and state <> 'recorded'`,
    [tx.tenantId, approvalId, round, statementDigest, stepId],
  );
  const { rowCount } = await update.catch((error: unknown) => {
    if (!isUniqueViolation(error, 'approvals_once')) throw error;
    throw new PersistenceError(
      'record-conflict',
      `Whoever gave approval ${approvalId} counts for ${stepId} in round ${round} already; it was not stored.`,
      { cause: error },
    );
  });
  if (rowCount === 1) return true;
  const found = await findApproval(tx, approvalId);
  const stored = existing(found, `approval ${approvalId}`, tx.tenantId);
  if (stored.round !== round || stored.statementDigest !== statementDigest) {
    throw new PersistenceError(
      'record-conflict',
      `Approval ${approvalId} is recorded in round ${stored.round} as ${stored.statementDigest}; ${statementDigest} was not stored.`,
    );
  }
  return false;
}

/** Notes why a decision does not count; false unless it was still asked. For the role sluice_app only. */
export async function refuseApproval(
  tx: Tx,
  input: { readonly approvalId: string; readonly code: string; readonly message: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.approvals
        set state = 'refused', refusal_code = $3, refusal_message = $4, settled_at = now()
      where tenant_id = $1 and approval_id = $2 and state = 'asked'`,
    [tx.tenantId, input.approvalId, input.code, storableText(input.message)],
  );
  return rowCount === 1;
}

/** A decision by its id. */
export async function findApproval(
  tx: Tx,
  approvalId: string,
): Promise<ApprovalRecord | undefined> {
  return firstOf(
    await tx.query<ApprovalRecord>(
      `select ${COLUMNS} from sluice.approvals where tenant_id = $1 and approval_id = $2`,
      [tx.tenantId, approvalId],
    ),
  );
}

/** What was said about these promotions, oldest first, refused and unanswered ones too: for a batch loader. */
export async function listApprovalsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly ApprovalRecord[]> {
  const { rows } = await tx.query<ApprovalRecord>(
    `select ${COLUMNS} from sluice.approvals
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, asked_at, approval_id`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}

/** The recorded decisions that answer one request: of its step, round and plan. */
export function votesOn<
  Said extends Pick<ApprovalRecord, 'state' | 'round' | 'stepId' | 'planDigest'>,
>(
  request: { readonly stepId: string; readonly round: number; readonly planDigest: string },
  said: readonly Said[],
): readonly Said[] {
  return said.filter(
    ({ state, round, stepId, planDigest }) =>
      state === 'recorded' &&
      round === request.round &&
      planDigest === request.planDigest &&
      (stepId ?? request.stepId) === request.stepId,
  );
}
