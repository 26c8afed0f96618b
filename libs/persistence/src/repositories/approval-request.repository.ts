import type { ApprovalRule, ApprovalState, Voter } from '@sluice/domain';
import { decodeCursor, type Page, type PageRequest, pageOf, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import { firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** One round of asking people; the newest round of a step is the one that counts. */
export interface ApprovalRequestRecord {
  readonly promotionId: string;
  readonly stepId: string;
  /** From 1; grows each time that a stale plan is made again. */
  readonly round: number;
  readonly releaseDigest: string;
  /** Digest of the plan set. */
  readonly planDigest: string;
  readonly rule: ApprovalRule;
  /** The person who asked for the promotion. */
  readonly requesterPersonId: string;
  readonly state: ApprovalState;
  readonly reason: ReasonRecord | null;
  /** Until when a decision counts. */
  readonly deadline: string;
  readonly openedAt: string;
  readonly closedAt: string | null;
}

const COLUMNS = `promotion_id as "promotionId", step_id as "stepId", round, release_digest as "releaseDigest",
  plan_set_digest as "planDigest", rule, requester_person as "requesterPersonId", state,
  ${reasonColumn('reason_code', 'reason_message', 'reason')}, deadline_at as deadline,
  opened_at as "openedAt", closed_at as "closedAt"`;

/** Opens a round, `waiting`; false when it was opened before, and then stays as it is. */
export async function insertApprovalRequest(
  tx: Tx,
  input: Omit<ApprovalRequestRecord, 'state' | 'reason' | 'openedAt' | 'closedAt'>,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.approval_requests (tenant_id, promotion_id, step_id, round, release_digest,
       plan_set_digest, rule, requester_person, deadline_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (tenant_id, promotion_id, step_id, round) do nothing`,
    [
      tx.tenantId,
      input.promotionId,
      input.stepId,
      input.round,
      input.releaseDigest,
      input.planDigest,
      JSON.stringify(input.rule),
      input.requesterPersonId,
      input.deadline,
    ],
  );
  return rowCount === 1;
}

/** Ends a round that waits; false when it has ended before, or was never opened. */
export async function closeApprovalRequest(
  tx: Tx,
  input: Pick<ApprovalRequestRecord, 'promotionId' | 'stepId' | 'round' | 'reason'> & {
    readonly state: Exclude<ApprovalState, 'waiting'>;
  },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.approval_requests
        set state = $5, reason_code = $6, reason_message = $7, closed_at = now()
      where tenant_id = $1 and promotion_id = $2 and step_id = $3 and round = $4 and state = 'waiting'`,
    [
      tx.tenantId,
      input.promotionId,
      input.stepId,
      input.round,
      input.state,
      input.reason?.code ?? null,
      input.reason ? storableText(input.reason.message) : null,
    ],
  );
  return rowCount === 1;
}

/** The newest round of a promotion, or of one of its steps; undefined before anybody was asked. */
export async function findApprovalRequest(
  tx: Tx,
  promotionId: string,
  stepId?: string,
): Promise<ApprovalRequestRecord | undefined> {
  return firstOf(
    await tx.query<ApprovalRequestRecord>(
      `select ${COLUMNS} from sluice.approval_requests
        where tenant_id = $1 and promotion_id = $2 and ($3::text is null or step_id = $3)
        order by round desc, opened_at desc
        limit 1`,
      [tx.tenantId, promotionId, stepId ?? null],
    ),
  );
}

/** All rounds of these promotions, oldest first: for a batch loader. */
export async function listApprovalRequestsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly ApprovalRequestRecord[]> {
  const { rows } = await tx.query<ApprovalRequestRecord>(
    `select ${COLUMNS} from sluice.approval_requests
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, round, opened_at`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}

/**
 * Rounds that wait, oldest first. With a voter only those whose decision would count now: theirs to decide, not asked for
 * by themselves, not decided by them in this round, and in time.
 */
export async function listWaitingApprovals(
  tx: Tx,
  request: PageRequest & { readonly voter?: Voter | undefined },
): Promise<Page<ApprovalRequestRecord>> {
  const limit = rowsToRead(request);
  const after = decodeCursor(request.after, ['instant', 'string', 'string']) ?? [null, null, null];
  const { voter } = request;
  if (voter !== undefined && voter.kind !== 'person') return pageOf([], request, sortKey);
  const theirs = `
        and r.requester_person <> $6 and r.rule -> 'roles' ? $7 and r.deadline_at > now()
        and not exists (
          select from sluice.approvals a
           where a.tenant_id = $1 and a.promotion_id = r.promotion_id and a.round = r.round
             and coalesce(a.step_id, r.step_id) = r.step_id
             and a.plan_set_digest = r.plan_set_digest and a.person_id = $6 and a.state = 'recorded')`;
  const { rows } = await tx.query<ApprovalRequestRecord>(
    `select ${COLUMNS} from sluice.approval_requests r
      where r.tenant_id = $1 and r.state = 'waiting'
        and (r.opened_at, r.promotion_id, r.step_id)
              > (coalesce($2::timestamptz, '-infinity'), coalesce($3, ''), coalesce($4, ''))
        ${voter === undefined ? '' : theirs}
      order by r.opened_at, r.promotion_id, r.step_id
      limit $5`,
    [tx.tenantId, ...after, limit, ...(voter === undefined ? [] : [voter.personId, voter.role])],
  );
  return pageOf(rows, request, sortKey);
}

const sortKey = (row: ApprovalRequestRecord) => [row.openedAt, row.promotionId, row.stepId];
