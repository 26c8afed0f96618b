import {
  type AuditEvent,
  isStepTransition,
  type JsonValue,
  STEP_STATES,
  type StepState,
} from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { insertEventsOf, notifyUnlinked, toEventBody } from './event.repository.ts';
import { OPEN_MEMBERS } from './execution-begin.repository.ts';
import type { ReasonRecord } from './single-row.ts';
import { type MemberSet, type MemberState, valuesOfSet } from './step-member.repository.ts';
import { storableJson, storableText } from './storable.ts';
import type { ValueReferences } from './value-reference.ts';

/*
 * What every execution of a step ends with: effect record, state and event in one statement, for as many as end at the same time.
 */

/** How an execution ended. */
export interface ExecutionEnd {
  readonly effectKey: string;
  readonly target: string | null;
  /** What its effect record holds. */
  readonly result: unknown;
  readonly reason: ReasonRecord | null;
  readonly values: Readonly<Record<string, JsonValue>>;
  readonly references: ValueReferences;
  /** Keeps the effect also where the interpreter has ended it before: what it did is out in the world. */
  readonly evenWhenEnded: boolean;
}

/** How a step without members ended. */
export interface StepExecutionEnd extends ExecutionEnd {
  readonly stepId: string;
  readonly state: Extract<StepState, 'succeeded' | 'failed'>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly event: AuditEvent & { readonly promotionId?: string | null };
}

/** How a member of a step ended. */
export interface MemberExecutionEnd extends ExecutionEnd {
  readonly key: string;
  readonly state: Exclude<MemberState, 'pending' | 'running' | 'reverted'>;
}

/** What was written of an end. */
export interface SettledExecution {
  /** The step ran until now. */
  readonly isLive: boolean;
  /** False where an effect was recorded before, or it had been ended: nothing was written then. */
  readonly isKept: boolean;
  /** The step, or the member, took its state. */
  readonly isSettled: boolean;
}

/** States in which a step takes its end: it runs, or may. */
const LIVE_STATES: readonly StepState[] = STEP_STATES.filter(
  (state) => state === 'running' || isStepTransition(state, 'running'),
);

const INSERT_EFFECTS =
  'insert into sluice.effects (tenant_id, idempotency_key, promotion_id, step_id, target_id, result)';

const END_STEPS = `with given as materialized (
    select * from jsonb_to_recordset($3::jsonb) as g(id text, effect text, target text, result jsonb, even boolean,
      state text, code text, message text, outputs jsonb, "values" jsonb, refs jsonb, event jsonb)),
   held as materialized (
    select s.step_id, s.ordinal, s.state = any($4::text[]) as live from sluice.promotion_steps s
     where s.tenant_id = $1 and s.promotion_id = $2 and s.step_id = any($5::text[])
     order by s.ordinal
     for no key update),
   kept as (
    ${INSERT_EFFECTS}
    select $1, g.effect, $2, g.id, g.target, g.result
      from given g join held h on h.step_id = g.id where h.live or g.even
    on conflict (tenant_id, idempotency_key) do nothing
    returning step_id),
   ended as (
    update sluice.promotion_steps s
       set state = g.state, reason_code = g.code, reason_message = g.message,
           outputs = s.outputs || g.outputs, output_values = s.output_values || g."values",
           output_references = s.output_references || g.refs,
           started_at = coalesce(s.started_at, now()), ended_at = coalesce(s.ended_at, now())
      from given g join held h on h.step_id = g.id join kept k on k.step_id = g.id
     where s.tenant_id = $1 and s.promotion_id = $2 and s.step_id = any($5::text[]) and s.step_id = g.id and h.live
     returning s.step_id, g.event as body, h.ordinal as place),
   told as (${insertEventsOf('ended')})
 select h.step_id as "stepId", h.live as "isLive", k.step_id is not null as "isKept", e.step_id is not null as "isSettled",
        ${notifyUnlinked('told')}
   from held h left join kept k on k.step_id = h.step_id left join ended e on e.step_id = h.step_id`;

/**
 * Ends steps of one promotion that have no members: effect records, states and events, in the pipeline's order. Gives by step what was
 * written; a step that does not exist is left out. Their rows are locked until the transaction ends.
 * @param ends each step once
 */
export async function endSteps(
  tx: Tx,
  promotionId: string,
  ends: readonly StepExecutionEnd[],
): Promise<ReadonlyMap<string, SettledExecution>> {
  const given = ends.map(({ stepId, outputs, event, ...end }) => ({
    id: stepId,
    outputs,
    event: toEventBody(event),
    ...endOf(end),
  }));
  const { rows } = await tx.query<SettledExecution & { readonly stepId: string }>(
    END_STEPS,
    [tx.tenantId, promotionId, storableJson(given), LIVE_STATES, ends.map(({ stepId }) => stepId)],
    'sluice-end-steps',
  );
  return new Map(rows.map((row) => [row.stepId, settledOf(row)]));
}

const END_MEMBERS = `with held as materialized (
    select state = 'running' as live from sluice.promotion_steps
     where tenant_id = $1 and promotion_id = $2 and step_id = $3
     for share),
   ${OPEN_MEMBERS},
   given as materialized (
    select * from jsonb_to_recordset($6::jsonb) as g(key text, effect text, target text, result jsonb, even boolean,
      state text, code text, message text, "values" jsonb, refs jsonb)),
   kept as (
    ${INSERT_EFFECTS}
    select $1, g.effect, $2, $3, g.target, g.result
      from given g left join open on open.member_key = g.key, held
     where g.even or (held.live and open.member_key is not null)
    on conflict (tenant_id, idempotency_key) do nothing
    returning idempotency_key),
   ended as (
    update sluice.step_members m
       set state = g.state, reason_code = g.code, reason_message = g.message, output_values = g."values",
           output_references = g.refs, ended_at = coalesce(m.ended_at, now())
      from given g join kept on kept.idempotency_key = g.effect join open on open.member_key = g.key
     where m.tenant_id = $1 and m.promotion_id = $2 and m.step_id = $3 and m.round = $4
       and m.member_key = any($5::text[]) and m.member_key = g.key
     returning m.member_key)
 select g.key, held.live as "isLive", kept.idempotency_key is not null as "isKept", ended.member_key is not null as "isSettled"
   from given g left join kept on kept.idempotency_key = g.effect left join ended on ended.member_key = g.key, held`;

/**
 * Ends members of one step: effect records and rows. Gives by key what was written; nothing at all where there is no such step. The step's row
 * is kept from changing until the transaction ends; many may hold it so at once.
 * @param ends each member once
 */
export async function endMembers(
  tx: Tx,
  set: MemberSet,
  ends: readonly MemberExecutionEnd[],
): Promise<ReadonlyMap<string, SettledExecution>> {
  const given = ends.map(({ key, ...end }) => ({ key, ...endOf(end) }));
  const { rows } = await tx.query<SettledExecution & { readonly key: string }>(
    END_MEMBERS,
    [...valuesOfSet(tx, set), ends.map(({ key }) => key), storableJson(given)],
    'sluice-end-members',
  );
  return new Map(rows.map((row) => [row.key, settledOf(row)]));
}

function settledOf({ isLive, isKept, isSettled }: SettledExecution): SettledExecution {
  return { isLive, isKept, isSettled };
}

function endOf({
  effectKey,
  target,
  result,
  evenWhenEnded,
  state,
  reason,
  values,
  references,
}: ExecutionEnd & { readonly state: string }): Readonly<Record<string, unknown>> {
  return {
    effect: effectKey,
    target,
    result,
    even: evenWhenEnded,
    state,
    code: reason?.code,
    message: reason ? storableText(reason.message) : undefined,
    values,
    refs: references,
  };
}
