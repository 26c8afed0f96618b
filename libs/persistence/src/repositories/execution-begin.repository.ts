import type { AuditEvent, StepState } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { insertEventsOf, notifyUnlinked, toEventBody } from './event.repository.ts';
import { type MemberSet, valuesOfSet } from './step-member.repository.ts';
import { storableJson } from './storable.ts';

/*
 * What every execution of a step begins with, one statement for as many as begin at the same time. Rows are named by arrays of their keys
 * besides being joined: then they are found by their keys, however many there are beside them.
 */

/** A step that begins. */
export interface StepBeginning {
  readonly stepId: string;
  /** The state that it was found in. */
  readonly from: StepState;
  /** Of planning; the first is 1. */
  readonly round: number;
  /** False where no attempt of it counts, or not before its effect begins. */
  readonly counts: boolean;
  /** Stored with the change; null where it runs already. */
  readonly event: (AuditEvent & { readonly promotionId?: string | null }) | null;
}

const BEGIN_STEPS = `with given as materialized (
    select * from jsonb_to_recordset($3::jsonb) as g(id text, since text, counted integer, round integer, event jsonb)),
   open as materialized (
    select s.step_id, s.ordinal, g.counted, g.round, g.event
      from sluice.promotion_steps s join given g on g.id = s.step_id
     where s.tenant_id = $1 and s.promotion_id = $2 and s.step_id = any($4::text[]) and s.state = g.since
     order by s.ordinal
     for no key update of s),
   begun as (
    update sluice.promotion_steps s
       set state = 'running',
           reason_code = case when s.state = 'running' then s.reason_code end,
           reason_message = case when s.state = 'running' then s.reason_message end,
           started_at = coalesce(s.started_at, now()),
           ended_at = null,
           attempts = s.attempts + open.counted,
           begun_round = case when open.counted > 0 then greatest(s.begun_round, open.round) else s.begun_round end
      from open
     where s.tenant_id = $1 and s.promotion_id = $2 and s.step_id = any($4::text[]) and s.step_id = open.step_id
     returning s.step_id, s.attempts, open.event as body, open.ordinal as place),
   told as (${insertEventsOf('begun')})
 select step_id as "stepId", attempts, ${notifyUnlinked('told')} from begun`;

/**
 * Marks steps of one promotion as running, each from the state that it was found in, and counts their attempts. Gives by step how many are
 * counted by then; those that are in another state by now are left out, and nothing is done to them.
 * @param begins each step once
 */
export async function beginSteps(
  tx: Tx,
  promotionId: string,
  begins: readonly StepBeginning[],
): Promise<ReadonlyMap<string, number>> {
  if (begins.length === 0) return new Map();
  const given = begins.map(({ stepId, from, round, counts, event }) => ({
    id: stepId,
    since: from,
    counted: counts ? 1 : 0,
    round,
    event: event && toEventBody(event),
  }));
  const { rows } = await tx.query<{ stepId: string; attempts: number }>(
    BEGIN_STEPS,
    [tx.tenantId, promotionId, storableJson(given), begins.map(({ stepId }) => stepId)],
    'sluice-begin-steps',
  );
  return new Map(rows.map(({ stepId, attempts }) => [stepId, attempts]));
}

/** SQL of a part `open`: those of the members `$5` of a set that have not ended, locked in one order whoever asks for them. */
export const OPEN_MEMBERS = `open as materialized (
    select m.member_key from sluice.step_members m
     where m.tenant_id = $1 and m.promotion_id = $2 and m.step_id = $3 and m.round = $4
       and m.member_key = any($5::text[]) and m.state in ('pending', 'running')
     order by m.member_key
     for no key update)`;

const BEGIN_MEMBERS = `with ${OPEN_MEMBERS}
   update sluice.step_members m
      set state = 'running', started_at = coalesce(m.started_at, now()), attempts = m.attempts + $6::integer
     from open
    where m.tenant_id = $1 and m.promotion_id = $2 and m.step_id = $3 and m.round = $4
      and m.member_key = any($5::text[]) and m.member_key = open.member_key
    returning m.member_key as key, m.attempts`;

/**
 * Marks members of one step as running, and counts their attempts. Gives by key how many are counted by then; those that have ended are left
 * out.
 * @param counts false where attempts count only when their effects begin
 */
export async function beginMembers(
  tx: Tx,
  set: MemberSet,
  keys: readonly string[],
  counts: boolean,
): Promise<ReadonlyMap<string, number>> {
  if (keys.length === 0) return new Map();
  const { rows } = await tx.query<{ key: string; attempts: number }>(
    BEGIN_MEMBERS,
    [...valuesOfSet(tx, set), keys, counts ? 1 : 0],
    'sluice-begin-members',
  );
  return new Map(rows.map(({ key, attempts }) => [key, attempts]));
}
