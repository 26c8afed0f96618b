import type { JsonValue } from '@sluice/domain';
import { decodeCursor, type Page, type PageRequest, pageOf, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import {
  findNewestRound,
  MEMBER_COLUMNS,
  type MemberRecord,
  type MemberSet,
  type MemberState,
  OF_MEMBER_SET,
  valuesOfSet,
} from './step-member.repository.ts';
import type { ValueReference, ValueReferences } from './value-reference.ts';

/** How many members of a step are in each state; states of none are left out. */
export type MemberCounts = Partial<Readonly<Record<MemberState, number>>>;

/** Members by index, of these states where they are named; the newest round where none is. */
export async function listMembers(
  tx: Tx,
  input: PageRequest & {
    readonly promotionId: string;
    readonly stepId: string;
    readonly round?: number | undefined;
    readonly states?: readonly MemberState[] | undefined;
  },
): Promise<Page<MemberRecord>> {
  const [after] = decodeCursor(input.after, ['number']) ?? [-1];
  const round = input.round ?? (await findNewestRound(tx, input));
  const { promotionId, stepId, states } = input;
  // One walk of an index for each state, each no longer than the page.
  const { rows } = await tx.query<MemberRecord>(
    states === undefined
      ? `select ${MEMBER_COLUMNS} from sluice.step_members
          where ${OF_MEMBER_SET} and member_index > $5
          order by member_index
          limit $6`
      : `select ${MEMBER_COLUMNS} from unnest($7::text[]) as wanted(one)
          cross join lateral (
            select * from sluice.step_members m
             where ${OF_MEMBER_SET} and m.state = wanted.one and member_index > $5
             order by member_index
             limit $6) found
          order by member_index
          limit $6`,
    [
      ...valuesOfSet(tx, { promotionId, stepId, round }),
      after,
      rowsToRead(input),
      ...(states === undefined ? [] : [[...new Set(states)]]),
    ],
  );
  return pageOf(rows, input, ({ index }) => [index]);
}

/** How many members of a step there are in each state, in one round. */
export async function countMembers(tx: Tx, set: MemberSet): Promise<MemberCounts> {
  const { rows } = await tx.query<{ state: MemberState; members: number }>(
    `select state, count(*) as members from sluice.step_members where ${OF_MEMBER_SET} group by state`,
    valuesOfSet(tx, set),
  );
  return Object.fromEntries(rows.map(({ state, members }) => [state, members]));
}

/** How the members of a step are, in its newest round. */
export interface MemberTally extends MemberSet {
  readonly counts: MemberCounts;
  /** Members whose target this promotion changed, or may have changed, and that was not put back, in whatever state they ended. */
  readonly touched: number;
  /** Executions that began, in whatever round, and were neither done by the newest nor put back. */
  readonly unsure: number;
}

/** Counts of every step with members of these promotions, in each step's newest round: for a batch loader. */
export async function listMemberCounts(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly MemberTally[]> {
  const { rows } = await tx.query<
    MemberSet & { state: MemberState; members: number; touched: number; begun: number }
  >(
    `select m.promotion_id as "promotionId", m.step_id as "stepId", m.round, m.state, count(*) as members,
            count(d.target_id) as touched, count(*) filter (where m.attempts > 0) as begun
       from sluice.step_members m
       left join sluice.deployments d
         on d.tenant_id = m.tenant_id and d.promotion_id = m.promotion_id and d.target_id = m.target_id
        and d.state in ('dispatched', 'confirmed', 'lost')
      where m.tenant_id = $1 and m.promotion_id = any($2)
      group by m.promotion_id, m.step_id, m.round, m.state
      order by m.promotion_id, m.step_id, m.round desc`,
    [tx.tenantId, promotionIds],
  );
  const sets: (MemberSet & {
    counts: Record<string, number>;
    touched: number;
    unsure: number;
  })[] = [];
  for (const { state, members, touched, begun, ...set } of rows) {
    const last = sets.at(-1);
    const isSame = last?.promotionId === set.promotionId && last.stepId === set.stepId;
    const isOlder = isSame && last.round !== set.round;
    const unsure = state === 'reverted' || (state === 'succeeded' && !isOlder) ? 0 : begun;
    if (!isSame) {
      sets.push({ ...set, counts: { [state]: members }, touched, unsure });
      continue;
    }
    last.unsure += unsure;
    if (isOlder) continue;
    last.counts[state] = members;
    last.touched += touched;
  }
  return sets;
}

/** Outputs of all members of a step. */
export interface MemberOutputs {
  /** Of each name a list by member, null where a member has none, or has it by reference. */
  readonly lists: Readonly<Record<string, readonly JsonValue[]>>;
  /** The places in those lists whose values are too large for a row. */
  readonly large: readonly {
    readonly name: string;
    readonly index: number;
    readonly reference: ValueReference;
  }[];
}

/**
 * Outputs of a step's members in its newest round. Undefined when they are larger together, those by reference counted.
 * @param names all of them when null
 */
export async function listMemberOutputs(
  tx: Tx,
  input: Pick<MemberSet, 'promotionId' | 'stepId'> & {
    readonly names: readonly string[] | null;
    /** Of JSON. */
    readonly maxBytes: number;
  },
): Promise<MemberOutputs | undefined> {
  const round = await findNewestRound(tx, input);
  const { rows } = await tx.query<{
    bytes: number | null;
    members: { outputs: Readonly<Record<string, JsonValue>>; refs: ValueReferences }[] | null;
  }>(
    `with given as (
       select member_index,
              case when $5::text[] is null then output_values
                   else (select coalesce(jsonb_object_agg(n, output_values -> n), '{}')
                           from unnest($5::text[]) as n where output_values ? n) end as outputs,
              case when $5::text[] is null then output_references
                   else (select coalesce(jsonb_object_agg(n, output_references -> n), '{}')
                           from unnest($5::text[]) as n where output_references ? n) end as refs
         from sluice.step_members
        where ${OF_MEMBER_SET}),
     measured as (
       select sum(octet_length(outputs::text)
                  + (select coalesce(sum((r.value ->> 'bytes')::bigint), 0) from jsonb_each(refs) as r))::bigint as bytes
         from given)
     select bytes,
            case when bytes <= $6 then (
              select jsonb_agg(jsonb_build_object('outputs', outputs, 'refs', refs) order by member_index) from given)
            end as members
       from measured`,
    [...valuesOfSet(tx, { ...input, round }), input.names, input.maxBytes],
  );
  const [{ bytes, members } = { bytes: null, members: null }] = rows;
  if (bytes !== null && members === null) return undefined;
  const all = members ?? [];
  const given = all.flatMap(({ outputs, refs }) => [...Object.keys(outputs), ...Object.keys(refs)]);
  const names = input.names ?? [...new Set(given)].sort();
  return {
    lists: Object.fromEntries(
      names.map((name) => [name, all.map(({ outputs }) => outputs[name] ?? null)]),
    ),
    large: all.flatMap(({ refs }, index) =>
      Object.entries(refs).map(([name, reference]) => ({ name, index, reference })),
    ),
  };
}

/** The members with this key of several steps, each in its newest round. */
export async function listMembersOfKey(
  tx: Tx,
  promotionId: string,
  stepIds: readonly string[],
  key: string,
): Promise<readonly MemberRecord[]> {
  const { rows } = await tx.query<MemberRecord>(
    `select newest.* from unnest($3::text[]) as wanted(id)
      cross join lateral (
        select ${MEMBER_COLUMNS} from sluice.step_members
         where tenant_id = $1 and promotion_id = $2 and step_id = wanted.id and member_key = $4
         order by step_members.round desc
         limit 1) newest`,
    [tx.tenantId, promotionId, stepIds, key],
  );
  return rows;
}

/** Where every member of a promotion is, by step and index; of each step its newest round. */
export async function listMemberStates(
  tx: Tx,
  promotionId: string,
): Promise<
  readonly {
    readonly stepId: string;
    readonly round: number;
    readonly key: string;
    readonly state: MemberState;
    /** Its code. */
    readonly reason: string | null;
  }[]
> {
  const { rows } = await tx.query<{
    stepId: string;
    round: number;
    key: string;
    state: MemberState;
    reason: string | null;
  }>(
    // Without a join for the newest round: of rows that were just written nobody knows how many they are.
    `select step_id as "stepId", round, member_key as key, state, reason_code as reason
       from sluice.step_members
      where tenant_id = $1 and promotion_id = $2
      order by step_id, round desc, member_index`,
    [tx.tenantId, promotionId],
  );
  const newest = new Map<string, number>();
  for (const { stepId, round } of rows) if (!newest.has(stepId)) newest.set(stepId, round);
  return rows.filter(({ stepId, round }) => newest.get(stepId) === round);
}
