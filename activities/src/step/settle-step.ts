import {
  findEffect,
  insertEffect,
  isPersistenceError,
  listEffects,
  type PromotionRecord,
  setStepState,
  type Tx,
} from '@sluice/persistence';
import {
  FAILURES,
  type FrozenRules,
  PER_TARGET_STEPS,
  type StepResult,
} from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { effectKey } from './effect-key.ts';

/** One step's (or one target's part of a step's) end. */
export interface StepEnd {
  readonly promotion: PromotionRecord;
  readonly rules: FrozenRules;
  readonly stepId: string;
  readonly target?: string | undefined;
  /** Round of planning; the first when absent. */
  readonly round?: number | undefined;
  readonly result: StepResult;
  /** Records the effect even when the interpreter has ended the step: for effects that are out in the world. */
  readonly evenWhenEnded?: boolean;
  /** Writes the step's own rows; not called when the effect was recorded before. */
  readonly record?: ((tx: Tx) => Promise<void>) | undefined;
}

/** What stands in the records after {@link settleStep}. */
export interface SettledStep {
  readonly result: StepResult;
  /** False when the interpreter had ended the step before (deadline, cancel): the row stayed as it was. */
  readonly live: boolean;
}

/**
 * Writes effect record, step state and event in the caller's transaction. The effect that was recorded first
 * wins and its result comes back. A step over several targets succeeds here with the last of them; that
 * it failed is the interpreter's to record.
 */
export async function settleStep(tx: Tx, end: StepEnd): Promise<SettledStep> {
  const { promotion, stepId, target, round, result } = end;
  const live = await isLive(tx, promotion.promotionId, stepId);
  if (!live && end.evenWhenEnded !== true) await assertRecorded(tx, end);
  const { inserted, effect } = await insertEffect(tx, {
    idempotencyKey: effectKey(promotion.promotionId, stepId, target, round),
    promotionId: promotion.promotionId,
    stepId,
    target: target ?? null,
    result,
  });
  if (!inserted) return { result: effect.result, live };
  await end.record?.(tx);
  if (live) await writeState(tx, end);
  return { result, live };
}

async function assertRecorded(
  tx: Tx,
  { promotion, stepId, target, round }: StepEnd,
): Promise<void> {
  if (await findEffect(tx, effectKey(promotion.promotionId, stepId, target, round))) return;
  throw activityFailure(
    FAILURES.illegalTransition,
    `Step ${stepId} of ${promotion.promotionId} was ended before its result came; nothing was recorded.`,
  );
}

/** True while the step runs. Takes the row's lock, so that the ends of several targets come one by one. */
async function isLive(tx: Tx, promotionId: string, stepId: string): Promise<boolean> {
  try {
    await setStepState(tx, { promotionId, stepId, state: 'running' });
    return true;
  } catch (error) {
    if (isPersistenceError(error, 'illegal-transition')) return false;
    throw error;
  }
}

async function writeState(tx: Tx, end: StepEnd): Promise<void> {
  const { promotion, stepId, target, result } = end;
  const { promotionId } = promotion;
  // The interpreter records that a step over targets failed: it knows every target's reason.
  if (target !== undefined && !(await hasSucceededEverywhere(tx, end))) return;
  const state = result.outcome === 'succeeded' ? 'succeeded' : 'failed';
  await setStepState(tx, {
    promotionId,
    stepId,
    state,
    reason: result.reason,
    outputs: target === undefined ? result.outputs : {},
  });
  await recordStepEvent(tx, promotion, stepId, state, {
    outcome: result.outcome,
    ...(result.reason === null ? {} : { reason: result.reason.code }),
  });
}

async function hasSucceededEverywhere(
  tx: Tx,
  { promotion: { promotionId }, stepId, rules, round }: StepEnd,
): Promise<boolean> {
  const succeeded = new Set(
    (await listEffects(tx, promotionId, stepId))
      .filter((effect) => (effect.result as StepResult).outcome === 'succeeded')
      .map((effect) => effect.idempotencyKey),
  );
  return rules.targets.every((name) => succeeded.has(effectKey(promotionId, stepId, name, round)));
}

/** Writes the audit event of a step's change of state. */
export async function recordStepEvent(
  tx: Tx,
  promotion: PromotionRecord,
  stepId: string,
  state: string,
  data: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await recordEventOf(tx, 'step.state-changed', promotion, { step: stepId, state, ...data });
}

/** True for step types that run once per target. */
export function isPerTarget(type: string): boolean {
  return PER_TARGET_STEPS.has(type);
}
