import type { JsonValue } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableJson, storableText } from './storable.ts';
import type { ValueReferences } from './value-reference.ts';

/** Where one member of a matrix is. */
export const MEMBER_STATES = [
  'pending',
  'running',
  'succeeded',
  'denied',
  'failed',
  'cancelled',
  'skipped',
  'reverted',
] as const;

/** One of {@link MEMBER_STATES}. */
export type MemberState = (typeof MEMBER_STATES)[number];

/** One member of a step that runs once for each target or value. */
export interface MemberRecord {
  readonly promotionId: string;
  readonly stepId: string;
  readonly round: number;
  /** From 0. */
  readonly index: number;
  /** A target's name, or the index as text. */
  readonly key: string;
  readonly target: string | null;
  /** What the step reads as `matrix`. */
  readonly value: JsonValue;
  readonly state: MemberState;
  readonly reason: ReasonRecord | null;
  /** Typed outputs by name. */
  readonly values: Readonly<Record<string, JsonValue>>;
  /** Typed outputs that are too large to stand among the values. */
  readonly references: ValueReferences;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** One step's members in one round. */
export interface MemberSet {
  readonly promotionId: string;
  readonly stepId: string;
  /** Of planning; the first is 1. */
  readonly round: number;
}

/** The columns of {@link MemberRecord}, of the table `step_members`. */
export const MEMBER_COLUMNS = `promotion_id as "promotionId", step_id as "stepId", round, member_index as index,
  member_key as key, target_id as target, value, state, ${reasonColumn('reason_code', 'reason_message', 'reason')},
  output_values as values, output_references as references, started_at as "startedAt", ended_at as "endedAt"`;

/** The rows of a {@link MemberSet}, whose values are {@link valuesOfSet}. */
export const OF_MEMBER_SET = 'tenant_id = $1 and promotion_id = $2 and step_id = $3 and round = $4';

/** The first four values of a statement about a {@link MemberSet}. */
export function valuesOfSet(tx: Tx, { promotionId, stepId, round }: MemberSet): readonly unknown[] {
  return [tx.tenantId, promotionId, stepId, round];
}

/** Stores the members of a step as `pending`, in the order given; those that exist stay as they are. */
export async function insertMembers(
  tx: Tx,
  set: MemberSet,
  members: readonly Pick<MemberRecord, 'key' | 'target' | 'value'>[],
): Promise<void> {
  await tx.query(
    `insert into sluice.step_members
       (tenant_id, promotion_id, step_id, round, member_index, member_key, target_id, value)
     select $1, $2, $3, $4, m.place - 1, m.body ->> 'key', m.body ->> 'target', m.body -> 'value'
       from jsonb_array_elements($5::jsonb) with ordinality as m(body, place)
     on conflict (tenant_id, promotion_id, step_id, round, member_index) do nothing`,
    [
      ...valuesOfSet(tx, set),
      storableJson(members.map(({ key, target, value }) => ({ key, target, value }))),
    ],
  );
}

/** One member by its key. */
export async function findMember(
  tx: Tx,
  set: MemberSet,
  key: string,
): Promise<MemberRecord | undefined> {
  return firstOf(
    await tx.query<MemberRecord>(
      `select ${MEMBER_COLUMNS} from sluice.step_members where ${OF_MEMBER_SET} and member_key = $5`,
      [...valuesOfSet(tx, set), key],
    ),
  );
}

/** Keys of members from an index up to (not including) another, by index. */
export async function listMemberKeys(
  tx: Tx,
  set: MemberSet,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<readonly string[]> {
  const { rows } = await tx.query<{ key: string }>(
    `select member_key as key from sluice.step_members
      where ${OF_MEMBER_SET} and member_index >= $5 and member_index < $6
      order by member_index`,
    [...valuesOfSet(tx, set), from, to],
  );
  return rows.map(({ key }) => key);
}

/** The newest round of planning in which a step had members; 1 where it had none. */
export async function findNewestRound(
  tx: Tx,
  { promotionId, stepId }: Pick<MemberSet, 'promotionId' | 'stepId'>,
): Promise<number> {
  const row = firstOf(
    await tx.query<{ round: number }>(
      `select round from sluice.step_members
        where tenant_id = $1 and promotion_id = $2 and step_id = $3
        order by round desc
        limit 1`,
      [tx.tenantId, promotionId, stepId],
    ),
  );
  return row?.round ?? 1;
}

/** Notes that a member runs; false for one that has ended, or is not there. */
export async function startMember(tx: Tx, set: MemberSet, key: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.step_members set state = 'running', started_at = coalesce(started_at, now())
      where ${OF_MEMBER_SET} and member_key = $5 and state in ('pending', 'running')`,
    [...valuesOfSet(tx, set), key],
  );
  return rowCount === 1;
}

/**
 * Says what became of a member; false when that was said before. What was put back is the only thing that can follow an
 * end.
 */
export async function settleMember(
  tx: Tx,
  set: MemberSet,
  member: {
    readonly key: string;
    readonly state: Exclude<MemberState, 'pending' | 'running'>;
    readonly reason?: ReasonRecord | null;
    readonly values?: Readonly<Record<string, JsonValue>>;
    readonly references?: ValueReferences;
  },
): Promise<boolean> {
  return (await settleMembers(tx, set, [member])) === 1;
}

/** {@link settleMember} of several at once; the number of those that changed. */
export async function settleMembers(
  tx: Tx,
  set: MemberSet,
  members: readonly {
    readonly key: string;
    readonly state: Exclude<MemberState, 'pending' | 'running'>;
    readonly reason?: ReasonRecord | null;
    readonly values?: Readonly<Record<string, JsonValue>>;
    readonly references?: ValueReferences;
  }[],
): Promise<number> {
  const { rowCount } = await tx.query(
    `update sluice.step_members m
        set state = n.state, reason_code = n.code, reason_message = n.message,
            output_values = case when n.state = 'reverted' then m.output_values else coalesce(n.values, '{}') end,
            output_references = case when n.state = 'reverted' then m.output_references else coalesce(n.refs, '{}') end,
            ended_at = coalesce(m.ended_at, now())
       from jsonb_to_recordset($5::jsonb) as n(key text, state text, code text, message text, values jsonb, refs jsonb)
      where m.tenant_id = $1 and m.promotion_id = $2 and m.step_id = $3 and m.round = $4 and m.member_key = n.key
        and (m.state in ('pending', 'running') or (n.state = 'reverted' and m.state <> 'reverted'))`,
    [
      ...valuesOfSet(tx, set),
      storableJson(
        members.map(({ key, state, reason, values, references }) => ({
          key,
          state,
          code: reason?.code,
          message: reason ? storableText(reason.message) : undefined,
          values,
          refs: references,
        })),
      ),
    ],
  );
  return rowCount;
}

/** Ends the members that are still open: those that never ran are skipped, the others are cancelled. */
export async function closeMembers(
  tx: Tx,
  promotionId: string,
  reason: ReasonRecord | null,
): Promise<void> {
  await tx.query(
    `update sluice.step_members
        set state = case state when 'pending' then 'skipped' else 'cancelled' end,
            reason_code = $3, reason_message = $4, ended_at = now()
      where tenant_id = $1 and promotion_id = $2 and state in ('pending', 'running')`,
    [
      tx.tenantId,
      promotionId,
      reason?.code ?? null,
      reason === null ? null : storableText(reason.message),
    ],
  );
}
