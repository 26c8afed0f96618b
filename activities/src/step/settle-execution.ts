import {
  endMembers,
  endSteps,
  findExecutions,
  type SettledExecution,
  type Tx,
} from '@sluice/persistence';
import { FAILURES, type StepResult } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { eventOf } from '../records/promotion-event.ts';
import { effectKey } from './effect-key.ts';
import type { SettledStep, StepEnd, StoredResult } from './settle-step.ts';
import { answerOf, type Told } from './together.ts';

/**
 * {@link settleStep} of form 3, in one statement: of members, and of steps whose type writes no rows of its own, for those stand before
 * the event of the end.
 * @param ends of one promotion: members of one step in one round, or steps without members; each once
 */
export async function settleExecutions(
  tx: Tx,
  ends: readonly StepEnd[],
): Promise<readonly Told<SettledStep>[]> {
  const [first] = ends;
  if (first === undefined) return [];
  const { promotionId } = first.promotion;
  const settled = await (memberOf(first) === undefined
    ? endSteps(
        tx,
        promotionId,
        ends.map((end) => ({ ...keptOf(end), ...endOfStep(tx, end) })),
      )
    : endMembers(
        tx,
        { promotionId, stepId: first.stepId, round: first.round ?? 1 },
        ends.map((end) => ({ ...keptOf(end), key: nameOf(end), state: end.result.outcome })),
      ));
  const before = ends.filter((end) => settled.get(nameOf(end))?.isKept !== true).map(keyOf);
  const found =
    before.length === 0
      ? undefined
      : await findExecutions<StoredResult>(tx, promotionId, { steps: [], effects: before });
  const told: Told<SettledStep>[] = [];
  for (const end of ends) {
    const one = settled.get(nameOf(end)) ?? NOTHING;
    const effect = found?.effects.get(keyOf(end));
    if (effect !== undefined) told.push({ answer: { result: effect, live: one.isLive } });
    else if (!one.isKept) told.push({ error: endedBefore(end) });
    else {
      await end.record?.(tx);
      told.push({ answer: { result: resultOf(end), live: one.isSettled } });
    }
  }
  return told;
}

/** {@link settleExecutions} of one. */
export async function settleExecution(tx: Tx, end: StepEnd): Promise<SettledStep> {
  const [told = { error: endedBefore(end) }] = await settleExecutions(tx, [end]);
  return answerOf(told);
}

const NOTHING: SettledExecution = { isLive: false, isKept: false, isSettled: false };

function memberOf({ target, member = target }: StepEnd): string | undefined {
  return member;
}

/** Of an end among those that are settled together. */
function nameOf(end: StepEnd): string {
  return memberOf(end) ?? end.stepId;
}

function keyOf(end: StepEnd): string {
  return effectKey(end.promotion.promotionId, end.stepId, memberOf(end), end.round);
}

/** Types that know no values give digests alone. */
function resultOf({ result }: StepEnd): StepResult {
  return { ...result, values: result.values ?? result.outputs };
}

function keptOf(end: StepEnd) {
  const result = resultOf(end);
  return {
    effectKey: keyOf(end),
    target: end.target ?? null,
    result: {
      ...result,
      ...end.large,
      ...(end.inputs === undefined ? {} : { inputs: end.inputs }),
    },
    reason: result.reason,
    values: result.values ?? {},
    references: end.large?.references ?? {},
    evenWhenEnded: end.evenWhenEnded === true,
  };
}

function endOfStep(
  tx: Tx,
  { promotion, stepId, result: { outcome, reason, outputs } }: StepEnd,
): Pick<Parameters<typeof endSteps>[2][number], 'stepId' | 'state' | 'outputs' | 'event'> {
  const state = outcome === 'succeeded' ? 'succeeded' : 'failed';
  const event = eventOf(tx, 'step.state-changed', promotion, {
    step: stepId,
    state,
    outcome,
    ...(reason === null ? {} : { reason: reason.code }),
  });
  return { stepId, state, outputs, event };
}

/** The interpreter has ended the step, or the member, before its result came. */
export function endedBefore(end: StepEnd): Error {
  const { promotion, stepId } = end;
  const member = memberOf(end);
  const what = member === undefined ? `Step ${stepId}` : `${member} of step ${stepId}`;
  return activityFailure(
    FAILURES.illegalTransition,
    `${what} of ${promotion.promotionId} was ended before its result came; nothing was recorded.`,
  );
}
