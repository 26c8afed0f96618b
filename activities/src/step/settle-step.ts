import { isCourse, type JsonValue } from '@sluice/domain';
import {
  findEffect,
  insertEffect,
  isPersistenceError,
  listEffects,
  type PromotionRecord,
  setStepState,
  type Tx,
  type ValueReferences,
} from '@sluice/persistence';
import { type FrozenRules, PER_TARGET_STEPS, type StepResult } from '@sluice/temporal-contract';
import { recordEventOf, recordEventsOf } from '../records/promotion-event.ts';
import { effectKey } from './effect-key.ts';
import { endedBefore, settleExecution } from './settle-execution.ts';

/** One step's (or one target's part of a step's) end. */
export interface StepEnd {
  readonly promotion: PromotionRecord;
  readonly rules: FrozenRules;
  readonly stepId: string;
  readonly target?: string | undefined;
  /** Key of the matrix's member, where it is another one than the target. */
  readonly member?: string | undefined;
  /** Round of planning; the first when absent. */
  readonly round?: number | undefined;
  readonly result: StepResult;
  /** What it was done with, for who puts it back. */
  readonly inputs?: Readonly<Record<string, JsonValue>> | undefined;
  /** Outputs and inputs that lie in the evidence store. */
  readonly large?: Pick<StoredResult, 'references' | 'inputReferences'> | undefined;
  /** Records the effect even when the interpreter has ended the step: for effects that are out in the world. */
  readonly evenWhenEnded?: boolean;
  /** Writes the step's own rows; not called when the effect was recorded before. */
  readonly record?: ((tx: Tx) => Promise<void>) | undefined;
}

/** What an effect record holds. */
export interface StoredResult extends StepResult {
  /** What it was done with; where it can be put back. */
  readonly inputs?: Readonly<Record<string, JsonValue>>;
  /** Outputs that are too large to stand among its values. */
  readonly references?: ValueReferences;
  /** The same of its inputs. */
  readonly inputReferences?: ValueReferences;
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
 * it failed is the interpreter's to record. In form 3 the end of a step with members is the interpreter's in any case.
 */
export async function settleStep(tx: Tx, end: StepEnd): Promise<SettledStep> {
  const { promotion, stepId, target, member = target, round } = end;
  const { promotionId } = promotion;
  const isOfCourse = isCourse(end.rules.pipeline);
  if (isOfCourse && (member !== undefined || end.record === undefined)) {
    return settleExecution(tx, end);
  }
  const live = await isLive(tx, promotionId, stepId);
  if (!live && end.evenWhenEnded !== true) await assertRecorded(tx, end);
  // Types that know no values give digests alone.
  const values = end.result.values ?? end.result.outputs;
  const result: StepResult = isOfCourse ? { ...end.result, values } : end.result;
  const { inserted, effect } = await insertEffect<StoredResult>(tx, {
    idempotencyKey: effectKey(promotionId, stepId, member, round),
    promotionId,
    stepId,
    target: target ?? null,
    result: {
      ...result,
      ...end.large,
      ...(end.inputs === undefined ? {} : { inputs: end.inputs }),
    },
  });
  if (!inserted) return { result: effect.result, live };
  await end.record?.(tx);
  if (live) await writeState(tx, { ...end, result });
  return { result, live };
}

async function assertRecorded(tx: Tx, end: StepEnd): Promise<void> {
  const { promotion, stepId, target, member = target, round } = end;
  if (await findEffect(tx, effectKey(promotion.promotionId, stepId, member, round))) return;
  throw endedBefore(end);
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
    values: result.values ?? {},
    references: end.large?.references ?? {},
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

/** {@link recordStepEvent} of several steps, in this order. */
export async function recordStepEvents(
  tx: Tx,
  promotion: PromotionRecord,
  steps: readonly {
    readonly stepId: string;
    readonly state: string;
    readonly reason: { readonly code: string } | null;
  }[],
): Promise<void> {
  const events = steps.map(({ stepId: step, state, reason }) =>
    reason === null ? { step, state } : { step, state, reason: reason.code },
  );
  await recordEventsOf(tx, 'step.state-changed', promotion, events);
}

/** True for step types that run once per target. */
export function isPerTarget(type: string): boolean {
  return PER_TARGET_STEPS.has(type);
}
