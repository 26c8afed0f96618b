import {
  countAttempt,
  type ExecutionPlace,
  findEffect,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { type ExecuteStepInput, FAILURES } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { effectKey } from './effect-key.ts';
import type { PreparedStep } from './prepare-step.ts';
import type { StepFrameParts } from './run-step.ts';

/** An execution that begins. */
export interface AttemptedStep extends PreparedStep {
  /** How often it has begun with this time. */
  readonly attempt: number;
  /** False where it is counted only when its effect begins. */
  readonly isCounted: boolean;
}

/** Where the records have an execution. */
export function placeOf({
  promotion: { promotionId },
  stepId,
  round = 1,
  member,
}: ExecuteStepInput): ExecutionPlace {
  return { promotionId, stepId, round, memberKey: member?.key };
}

/** Counts an attempt that is not counted yet, the first time that it is called. Gives the attempt's number. */
export function countOnce(
  { pool }: Pick<StepFrameParts, 'pool'>,
  input: ExecuteStepInput,
  { attempt, isCounted, resolved, manifest }: AttemptedStep,
): () => Promise<number> {
  let counted: Promise<number> | undefined = isCounted ? Promise.resolve(attempt) : undefined;
  const begin = async (tx: Tx): Promise<number> => {
    const number = await count(tx, input);
    if (number <= resolved.retry.attempts || manifest.effect !== 'at-least-once') return number;
    throw activityFailure(
      FAILURES.unavailable,
      `Another attempt of step ${input.stepId} of ${input.promotion.promotionId} began beside this one; it is looked at again.`,
    );
  };
  return () => {
    counted ??= withTenant(pool, input.promotion.tenantId, begin);
    return counted;
  };
}

async function count(tx: Tx, input: ExecuteStepInput): Promise<number> {
  const place = placeOf(input);
  const number = await countAttempt(tx, place);
  if (number !== undefined) return number;
  const key = effectKey(place.promotionId, place.stepId, place.memberKey, place.round);
  if ((await findEffect(tx, key)) === undefined) throw endedBefore(input);
  throw activityFailure(
    FAILURES.unavailable,
    `Another attempt of step ${place.stepId} of ${place.promotionId} was faster; its result is looked for again.`,
  );
}

/** The interpreter has ended the execution: it does not begin. */
export function endedBefore({
  promotion: { promotionId },
  stepId,
  member,
}: ExecuteStepInput): Error {
  const what = member === undefined ? `Step ${stepId}` : `${member.key} of step ${stepId}`;
  return activityFailure(
    FAILURES.illegalTransition,
    `${what} of ${promotionId} has ended, and does not begin again.`,
  );
}
