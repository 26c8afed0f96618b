import { isStepTransition, type StepState } from '@sluice/domain';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

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
  started_at as "startedAt", ended_at as "endedAt"`;

const END_STATES: readonly StepState[] = [
  'succeeded',
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
 * state already (outputs and reason stay then). Outputs are merged into those that stand there; a step that goes
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
    ],
  );
  return true;
}
