import type { Tx } from '../transaction.ts';
import type { RolloutKey } from './rollout.repository.ts';
import { type ReasonRecord, reasonColumn } from './single-row.ts';
import type { MemberState } from './step-member.repository.ts';

/** The members of one stage: those of its step and round from one index to before another. */
export interface StageRange extends RolloutKey {
  readonly from: number;
  readonly to: number;
}

/** One member of a stage; `reverted` too where its target was put back after it succeeded. */
export interface StageMemberRecord {
  /** Index in the list that was asked for. */
  readonly asked: number;
  readonly key: string;
  readonly state: MemberState;
  readonly reason: ReasonRecord | null;
}

/** How many members of a stage are in one state. */
export interface StageMemberCount {
  /** Index in the list that was asked for. */
  readonly asked: number;
  readonly state: MemberState;
  readonly members: number;
}

/** Members of one stage in an answer of {@link listStageMembers}: the first. */
export const MAX_MEMBERS_OF_STAGE = 100;

const RANGES = `unnest($2::text[], $3::text[], $4::integer[], $5::integer[], $6::integer[])
  with ordinality as k(promotion, step, round, first, last, n)`;
/** Agents put targets back by commands of their own: what came of that stands with the deployments. */
const STATE = `case when m.state in ('succeeded', 'cancelled') and exists (
  select from sluice.deployments d
   where d.tenant_id = m.tenant_id and d.promotion_id = m.promotion_id and d.target_id = m.target_id
     and d.state = 'reverted') then 'reverted' else m.state end`;
const OF_RANGE = `m.tenant_id = $1 and m.promotion_id = k.promotion and m.step_id = k.step and m.round = k.round
  and m.member_index >= k.first and m.member_index < k.last`;

/** The first {@link MAX_MEMBERS_OF_STAGE} members of each of these stages, by index: for a batch loader. */
export async function listStageMembers(
  tx: Tx,
  ranges: readonly StageRange[],
): Promise<readonly StageMemberRecord[]> {
  const { rows } = await tx.query<StageMemberRecord>(
    `select k.n::integer - 1 as asked, f.key, f.state, f.reason
       from ${RANGES}
      cross join lateral (
        select m.member_index, m.member_key as key, ${STATE} as state, ${reasonColumn('m.reason_code', 'm.reason_message', 'reason')}
          from sluice.step_members m
         where ${OF_RANGE}
         order by m.member_index
         limit ${MAX_MEMBERS_OF_STAGE}) f
      order by k.n, f.member_index`,
    valuesOf(tx, ranges),
  );
  return rows;
}

/** How many members of each of these stages are in each state; states of none are left out: for a batch loader. */
export async function countStageMembers(
  tx: Tx,
  ranges: readonly StageRange[],
): Promise<readonly StageMemberCount[]> {
  const { rows } = await tx.query<StageMemberCount>(
    `select k.n::integer - 1 as asked, ${STATE} as state, count(*) as members
       from ${RANGES}
       join sluice.step_members m on ${OF_RANGE}
      group by 1, 2
      order by 1, 2`,
    valuesOf(tx, ranges),
  );
  return rows;
}

function valuesOf(tx: Tx, ranges: readonly StageRange[]): unknown[] {
  return [
    tx.tenantId,
    ranges.map(({ promotionId }) => promotionId),
    ranges.map(({ stepId }) => stepId),
    ranges.map(({ round }) => round),
    ranges.map(({ from }) => from),
    ranges.map(({ to }) => to),
  ];
}
