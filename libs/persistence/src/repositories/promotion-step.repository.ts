import { isStepTransition, type JsonValue, type StepState } from '@sluice/domain';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableJson, storableText } from './storable.ts';
import type { ValueReferences } from './value-reference.ts';

/** One step of a promotion. */
export interface StepRecord {
  readonly promotionId: string;
  readonly stepId: string;
  /** Place in the pipeline, from 0. */
  readonly ordinal: number;
  /** `scan@1`. */
  readonly type: string;
  readonly state: StepState;
  readonly reason: ReasonRecord | null;
  /** Name → digest. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Typed outputs by name; of steps with members they stand with those. */
  readonly values: Readonly<Record<string, JsonValue>>;
  /** Typed outputs that are too large to stand among the values. */
  readonly references: ValueReferences;
  /** True when an attempt of it has begun, in whatever round; of steps with members that stands with those. */
  readonly hasBegun: boolean;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** A step as the pipeline names it. */
export interface NewStep {
  readonly id: string;
  readonly type: string;
}

const COLUMNS = `promotion_id as "promotionId", step_id as "stepId", ordinal, type, state,
  ${reasonColumn('reason_code', 'reason_message', 'reason')}, outputs,
  output_values as values, output_references as references, begun_round > 0 as "hasBegun",
  started_at as "startedAt", ended_at as "endedAt"`;

const END_STATES: readonly StepState[] = [
  'succeeded',
  'partial',
  'failed',
  'skipped',
  'cancelled',
  'reverted',
];

/** Stores steps as `pending`, in the order given; those that exist stay as they are. */
export async function insertSteps(
  tx: Tx,
  promotionId: string,
  steps: readonly NewStep[],
): Promise<void> {
  await tx.query(
    `insert into sluice.promotion_steps (tenant_id, promotion_id, step_id, ordinal, type, state)
     select $1, $2, s.id, s.n - 1, s.type, 'pending'
       from unnest($3::text[], $4::text[]) with ordinality as s(id, type, n)
     on conflict (tenant_id, promotion_id, step_id) do nothing`,
    [tx.tenantId, promotionId, steps.map((step) => step.id), steps.map((step) => step.type)],
  );
}

/** One step. */
export async function findStep(
  tx: Tx,
  promotionId: string,
  stepId: string,
): Promise<StepRecord | undefined> {
  return firstOf(
    await tx.query<StepRecord>(
      `select ${COLUMNS} from sluice.promotion_steps
        where tenant_id = $1 and promotion_id = $2 and step_id = $3`,
      [tx.tenantId, promotionId, stepId],
    ),
  );
}

/**
 * A step's state, kept from changing until this transaction ends; many may hold it at once. Throws `not-found` for no
 * step.
 */
export async function holdStepState(
  tx: Tx,
  promotionId: string,
  stepId: string,
): Promise<StepState> {
  const { rows } = await tx.query<{ state: StepState }>(
    `select state from sluice.promotion_steps
      where tenant_id = $1 and promotion_id = $2 and step_id = $3
      for share`,
    [tx.tenantId, promotionId, stepId],
  );
  return existing(rows[0], `step ${stepId} of ${promotionId}`, tx.tenantId).state;
}

/** Steps of one promotion that have ended, in the pipeline's order. */
export async function listSettledSteps(
  tx: Tx,
  promotionId: string,
): Promise<readonly StepRecord[]> {
  const { rows } = await tx.query<StepRecord>(
    `select ${COLUMNS} from sluice.promotion_steps
      where tenant_id = $1 and promotion_id = $2 and state not in ('pending', 'running', 'waiting')
      order by ordinal`,
    [tx.tenantId, promotionId],
  );
  return rows;
}

/** Those of these steps that exist, in no order. */
export async function listStepsById(
  tx: Tx,
  promotionId: string,
  stepIds: readonly string[],
): Promise<readonly StepRecord[]> {
  const { rows } = await tx.query<StepRecord>(
    `select ${COLUMNS} from sluice.promotion_steps
      where tenant_id = $1 and promotion_id = $2 and step_id = any($3)`,
    [tx.tenantId, promotionId, stepIds],
  );
  return rows;
}

/** The steps of one promotion, in the pipeline's order. */
export async function listSteps(tx: Tx, promotionId: string): Promise<readonly StepRecord[]> {
  return listStepsOf(tx, [promotionId]);
}

/** The steps of many promotions, each in its pipeline's order: for a batch loader. */
export async function listStepsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly StepRecord[]> {
  const { rows } = await tx.query<StepRecord>(
    `select ${COLUMNS} from sluice.promotion_steps
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, ordinal`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}

/**
 * Changes a step's state by the domain's transition table; true when it changed, false when it was in this
 * state already (outputs and reason stay then). Outputs, values and references are merged into those that stand there; a step that goes
 * back to `pending` forgets its outputs and times.
 * Throws `illegal-transition` for a change that the table does not have, `not-found` for no step.
 */
export async function setStepState(
  tx: Tx,
  input: {
    readonly promotionId: string;
    readonly stepId: string;
    readonly state: StepState;
    readonly reason?: ReasonRecord | null;
    readonly outputs?: Readonly<Record<string, string>>;
    readonly values?: Readonly<Record<string, JsonValue>>;
    readonly references?: ValueReferences;
  },
): Promise<boolean> {
  const { promotionId, stepId, state } = input;
  const current = await tx.query<{ state: StepState }>(
    `select state from sluice.promotion_steps
      where tenant_id = $1 and promotion_id = $2 and step_id = $3
      for no key update`,
    [tx.tenantId, promotionId, stepId],
  );
  const from = existing(current.rows[0], `step ${stepId} of ${promotionId}`, tx.tenantId).state;
  if (from === state) return false;
  if (!isStepTransition(from, state)) {
    throw new PersistenceError(
      'illegal-transition',
      `Step ${stepId} of ${promotionId} is ${from} and cannot become ${state}: read it again.`,
    );
  }
  await tx.query(
    `update sluice.promotion_steps
        set state = $4, reason_code = $5, reason_message = $6,
            outputs = case when $4 = 'pending' then '{}' else outputs end || $7::jsonb,
            output_values = case when $4 = 'pending' then '{}' else output_values end || $9::jsonb,
            output_references = case when $4 = 'pending' then '{}' else output_references end || $10::jsonb,
            attempts = case when $4 = 'pending' then 0 else attempts end,
            failed_undos = case when $4 = 'pending' then 0 else failed_undos end,
            started_at = case when $4 = 'pending' then null
                              when $4 in ('running', 'waiting') then coalesce(started_at, now())
                              else started_at end,
            ended_at = case when $8 then coalesce(ended_at, now()) end
      where tenant_id = $1 and promotion_id = $2 and step_id = $3`,
    [
      tx.tenantId,
      promotionId,
      stepId,
      state,
      input.reason?.code ?? null,
      input.reason ? storableText(input.reason.message) : null,
      JSON.stringify(input.outputs ?? {}),
      END_STATES.includes(state),
      storableJson(input.values ?? {}),
      JSON.stringify(input.references ?? {}),
    ],
  );
  return true;
}

/**
 * Changes several steps at once, each named once. Gives the ids of those that changed, in the order given. A step that cannot
 * become what is asked, for its own activity was faster, stays as it is; one that is there already takes another reason.
 */
export async function setStepStates(
  tx: Tx,
  promotionId: string,
  changes: readonly {
    readonly stepId: string;
    readonly state: StepState;
    readonly reason: ReasonRecord | null;
  }[],
): Promise<readonly string[]> {
  const { rows } = await tx.query<{ stepId: string; state: StepState; code: string | null }>(
    `select step_id as "stepId", state, reason_code as code from sluice.promotion_steps
      where tenant_id = $1 and promotion_id = $2 and step_id = any($3)
      order by ordinal
      for no key update`,
    [tx.tenantId, promotionId, changes.map(({ stepId }) => stepId)],
  );
  const current = new Map(rows.map((row) => [row.stepId, row]));
  const changed = changes.filter(({ stepId, state, reason }) => {
    const from = existing(current.get(stepId), `step ${stepId} of ${promotionId}`, tx.tenantId);
    if (from.state !== state) return isStepTransition(from.state, state);
    return reason !== null && reason.code !== from.code;
  });
  await tx.query(
    `update sluice.promotion_steps s
        set state = n.state, reason_code = n.code, reason_message = n.message,
            outputs = case when n.state = 'pending' then '{}' else s.outputs end,
            output_values = case when n.state = 'pending' then '{}' else s.output_values end,
            output_references = case when n.state = 'pending' then '{}' else s.output_references end,
            attempts = case when n.state = 'pending' then 0 else s.attempts end,
            failed_undos = case when n.state = 'pending' then 0 else s.failed_undos end,
            started_at = case when n.state = 'pending' then null
                              when n.state in ('running', 'waiting') then coalesce(s.started_at, now())
                              else s.started_at end,
            ended_at = case when n.ended then coalesce(s.ended_at, now()) end
       from jsonb_to_recordset($3::jsonb) as n(id text, state text, code text, message text, ended boolean)
      where s.tenant_id = $1 and s.promotion_id = $2 and s.step_id = n.id`,
    [
      tx.tenantId,
      promotionId,
      storableJson(
        changed.map(({ stepId, state, reason }) => ({
          id: stepId,
          state,
          code: reason?.code,
          message: reason?.message,
          ended: END_STATES.includes(state),
        })),
      ),
    ],
  );
  return changed.map(({ stepId }) => stepId);
}
