import { decodeCursor, type Page, pageOf, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';
import { STEP_LOG_COLUMNS, type StepLogRecord } from './step-log.repository.ts';
import { MEMBER_COLUMNS, type MemberRecord } from './step-member.repository.ts';

/** One page of the members of a step. */
export interface MemberPageRequest {
  readonly promotionId: string;
  readonly stepId: string;
  readonly after?: string | null | undefined;
}

/**
 * One page of members by index for each of several steps, each of its newest round: for a batch loader. The pages come in the order of
 * `requests`; all have the same `first`.
 */
export async function listMembersOf(
  tx: Tx,
  requests: readonly MemberPageRequest[],
  first: number,
): Promise<readonly Page<MemberRecord>[]> {
  const limit = rowsToRead({ first });
  const { rows } = await tx.query<MemberRecord & { readonly asked: number }>(
    `select k.n::integer as asked, m.*
       from unnest($2::text[], $3::text[], $4::integer[]) with ordinality as k(promotion, step, after, n)
      cross join lateral (
        select ${MEMBER_COLUMNS} from sluice.step_members
         where tenant_id = $1 and promotion_id = k.promotion and step_id = k.step
           and round = (select max(r.round) from sluice.step_members r
                         where r.tenant_id = $1 and r.promotion_id = k.promotion and r.step_id = k.step)
           and member_index > coalesce(k.after, -1)
         order by member_index
         limit $5) m
      order by k.n, m.index`,
    [
      tx.tenantId,
      requests.map(({ promotionId }) => promotionId),
      requests.map(({ stepId }) => stepId),
      requests.map(({ after }) => decodeCursor(after, ['number'])?.[0] ?? null),
      limit,
    ],
  );
  const groups: MemberRecord[][] = requests.map(() => []);
  for (const { asked, ...row } of rows) groups[asked - 1]?.push(row);
  return groups.map((group) => pageOf(group, { first }, ({ index }) => [index]));
}

/** Logs of one step, or of one of its members, at most so many, in the order in which they are written. */
export async function listLogsOfStep(
  tx: Tx,
  input: {
    readonly promotionId: string;
    readonly stepId: string;
    /** Empty where the step has no members. */
    readonly memberKey: string;
    /** Begins with this one. */
    readonly from?: Pick<StepLogRecord, 'round' | 'stream' | 'attempt'> | undefined;
    readonly limit: number;
  },
): Promise<readonly StepLogRecord[]> {
  const { promotionId, stepId, memberKey, from, limit } = input;
  const { rows } = await tx.query<StepLogRecord>(
    `select ${STEP_LOG_COLUMNS} from sluice.step_logs
      where tenant_id = $1 and promotion_id = $2 and step_id = $3 and member_key = $4
        and (round, stream = 'compensation', attempt) >= ($5::integer, $6::boolean, $7::integer)
      order by round, stream = 'compensation', attempt
      limit $8`,
    [
      tx.tenantId,
      promotionId,
      stepId,
      memberKey,
      from?.round ?? 0,
      from?.stream === 'compensation',
      from?.attempt ?? 0,
      limit,
    ],
  );
  return rows;
}

/** The newest log that fits; undefined when there is none. */
export async function findNewestStepLog(
  tx: Tx,
  input: Pick<StepLogRecord, 'promotionId' | 'stepId' | 'memberKey' | 'stream'> & {
    readonly round?: number | undefined;
    readonly attempt?: number | undefined;
  },
): Promise<StepLogRecord | undefined> {
  const { promotionId, stepId, memberKey, stream, round, attempt } = input;
  return firstOf(
    await tx.query<StepLogRecord>(
      `select ${STEP_LOG_COLUMNS} from sluice.step_logs
        where tenant_id = $1 and promotion_id = $2 and step_id = $3 and member_key = $4 and stream = $5
          and round = coalesce($6::integer, round) and attempt = coalesce($7::integer, attempt)
        order by round desc, attempt desc
        limit 1`,
      [tx.tenantId, promotionId, stepId, memberKey, stream, round ?? null, attempt ?? null],
    ),
  );
}

/** Where a member is, in the newest round that has it. */
export async function findMemberState(
  tx: Tx,
  {
    promotionId,
    stepId,
    memberKey,
  }: { readonly promotionId: string; readonly stepId: string; readonly memberKey: string },
): Promise<Pick<MemberRecord, 'state' | 'endedAt'> | undefined> {
  return firstOf(
    await tx.query<Pick<MemberRecord, 'state' | 'endedAt'>>(
      `select state, ended_at as "endedAt" from sluice.step_members
        where tenant_id = $1 and promotion_id = $2 and step_id = $3 and member_key = $4
        order by round desc
        limit 1`,
      [tx.tenantId, promotionId, stepId, memberKey],
    ),
  );
}
