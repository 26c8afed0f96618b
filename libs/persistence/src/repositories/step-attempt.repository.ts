import type { StepState } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { existing } from './single-row.ts';

/** One execution of a step: of the step itself, or of one of its members. */
export interface ExecutionPlace {
  readonly promotionId: string;
  readonly stepId: string;
  /** Of planning; the first is 1. */
  readonly round: number;
  /** Absent where the step has no members. */
  readonly memberKey?: string | undefined;
}

const OF_STEP = 'tenant_id = $1 and promotion_id = $2 and step_id = $3';
const OF_MEMBER = `${OF_STEP} and round = $4 and member_key = $5`;

function valuesOf(tx: Tx, { promotionId, stepId, round, memberKey }: ExecutionPlace): unknown[] {
  const step = [tx.tenantId, promotionId, stepId];
  return memberKey === undefined ? step : [...step, round, memberKey];
}

function nameOf({ promotionId, stepId, memberKey }: ExecutionPlace): string {
  const step = `step ${stepId} of ${promotionId}`;
  return memberKey === undefined ? step : `member ${memberKey} of ${step}`;
}

/** How often an execution has begun. Throws `not-found`. */
export async function readAttempts(tx: Tx, place: ExecutionPlace): Promise<number> {
  const { rows } = await tx.query<{ attempts: number }>(
    place.memberKey === undefined
      ? `select attempts from sluice.promotion_steps where ${OF_STEP}`
      : `select attempts from sluice.step_members where ${OF_MEMBER}`,
    valuesOf(tx, place),
  );
  return existing(rows[0], nameOf(place), tx.tenantId).attempts;
}

/** Counts that an execution which runs begins once more, and gives the number of this attempt; undefined where it does not run (any more). */
export async function countAttempt(tx: Tx, place: ExecutionPlace): Promise<number | undefined> {
  const { rows } = await tx.query<{ attempts: number }>(
    place.memberKey === undefined
      ? `update sluice.promotion_steps set attempts = attempts + 1, begun_round = greatest(begun_round, $4)
          where ${OF_STEP} and state = 'running'
          returning attempts`
      : `update sluice.step_members set attempts = attempts + 1
          where ${OF_MEMBER} and state = 'running'
            and exists (select 1 from sluice.promotion_steps where ${OF_STEP} and state = 'running')
          returning attempts`,
    place.memberKey === undefined ? [...valuesOf(tx, place), place.round] : valuesOf(tx, place),
  );
  return rows[0]?.attempts;
}

/**
 * True while an execution runs, and this is its last attempt: none began after it, and nobody has ended its step.
 * @param attempt its number, of {@link countAttempt}
 */
export async function isCurrentAttempt(
  tx: Tx,
  place: ExecutionPlace,
  attempt: number,
): Promise<boolean> {
  const { rows } = await tx.query<{ attempts: number }>(
    place.memberKey === undefined
      ? `select attempts from sluice.promotion_steps where ${OF_STEP} and state = 'running'`
      : `select attempts from sluice.step_members
          where ${OF_MEMBER} and state = 'running'
            and exists (select 1 from sluice.promotion_steps where ${OF_STEP} and state = 'running')`,
    valuesOf(tx, place),
  );
  return rows[0]?.attempts === attempt;
}

/**
 * The newest round in which an execution began, whatever came of it; undefined where it never did.
 * @param memberKey of which member; where it is absent, any of them or the step itself
 */
export async function findBegunRound(
  tx: Tx,
  { promotionId, stepId, memberKey }: Omit<ExecutionPlace, 'round'>,
): Promise<number | undefined> {
  const { rows } = await tx.query<{ round: number | null }>(
    `select max(round) as round from (
       select begun_round as round from sluice.promotion_steps where ${OF_STEP} and begun_round > 0 and $4::text is null
       union all
       select round from sluice.step_members where ${OF_STEP} and attempts > 0 and ($4::text is null or member_key = $4)
     ) begun`,
    [tx.tenantId, promotionId, stepId, memberKey ?? null],
  );
  return rows[0]?.round ?? undefined;
}

/** True when an execution began in this very round, whatever came of it. */
export async function hasBegun(tx: Tx, place: ExecutionPlace): Promise<boolean> {
  const { rows } = await tx.query<{ begun: boolean }>(
    place.memberKey === undefined
      ? `select begun_round = $4 as begun from sluice.promotion_steps where ${OF_STEP}`
      : `select attempts > 0 as begun from sluice.step_members where ${OF_MEMBER}`,
    place.memberKey === undefined ? [...valuesOf(tx, place), place.round] : valuesOf(tx, place),
  );
  return rows[0]?.begun === true;
}

/** Counts that putting an execution back failed once more, and gives how often it has. Throws `not-found`. */
export async function countFailedUndo(tx: Tx, place: ExecutionPlace): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    place.memberKey === undefined
      ? `update sluice.promotion_steps set failed_undos = failed_undos + 1 where ${OF_STEP}
          returning failed_undos as count`
      : `update sluice.step_members set failed_undos = failed_undos + 1 where ${OF_MEMBER}
          returning failed_undos as count`,
    valuesOf(tx, place),
  );
  return existing(rows[0], nameOf(place), tx.tenantId).count;
}

/** Steps of which an execution has begun, in whatever round, and that were not put back; in the pipeline's order. */
export async function listBegunSteps(
  tx: Tx,
  promotionId: string,
): Promise<readonly { readonly stepId: string; readonly state: StepState }[]> {
  const { rows } = await tx.query<{ stepId: string; state: StepState }>(
    `select step_id as "stepId", state from sluice.promotion_steps s
      where tenant_id = $1 and promotion_id = $2 and state <> 'reverted'
        and (begun_round > 0 or exists (
          select 1 from sluice.step_members m
           where m.tenant_id = s.tenant_id and m.promotion_id = s.promotion_id and m.step_id = s.step_id and m.attempts > 0))
      order by ordinal`,
    [tx.tenantId, promotionId],
  );
  return rows;
}
