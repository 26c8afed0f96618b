import { isStepTransition } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  beginMembers,
  beginSteps,
  type FoundExecutions,
  findExecutions,
  type Tx,
} from '@sluice/persistence';
import {
  type ExecuteStepInput,
  FAILURES,
  type FrozenRules,
  type StepResult,
} from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { eventOf } from '../records/promotion-event.ts';
import { assertInput } from './assert-input.ts';
import { type AttemptedStep, endedBefore, placeOf } from './attempt-count.ts';
import { effectKey } from './effect-key.ts';
import type { FrozenPromotion, FrozenStep } from './frozen-course.ts';
import { checkMember, prepareStep } from './prepare-step.ts';
import type { StoredResult } from './settle-step.ts';
import { toldResult, withoutLostAttempt } from './step-attempt.ts';
import type { StepType } from './step-type.ts';
import type { Told } from './together.ts';

/** What an execution of form 3 begins with: its recorded result, or all that it runs with. */
export type BegunExecution =
  | { readonly stored: StepResult }
  | (FrozenPromotion & { readonly prepared: AttemptedStep });

/** An execution that is to begin. */
export interface Beginning {
  readonly input: ExecuteStepInput;
  readonly type: StepType;
  readonly rules: FrozenRules;
  readonly step: FrozenStep;
}

/** So often a step is looked at again that somebody else changes in the same moment. */
const LOOKS = 5;

/**
 * Checks inputs against the records, marks executions as running and counts their attempts, but for those whose effect is recorded. One
 * statement looks, one writes: what was found must still be so, or it is looked at again.
 * @param items of one promotion: members of one step in one round, or steps without members; each once
 */
export async function beginExecutions(
  tx: Tx,
  parts: { readonly evidence: EvidenceStore },
  items: readonly Beginning[],
): Promise<readonly Told<BegunExecution>[]> {
  const told = new Map<Beginning, Told<BegunExecution>>();
  let left = items;
  for (let look = 0; look < LOOKS && left.length > 0; look += 1) {
    await beginFound(tx, parts, left, told);
    left = left.filter((item) => !told.has(item));
  }
  return items.map((item) => told.get(item) ?? { error: changesAllTheTime(item) });
}

/** Begins what can begin now; what somebody else has changed since it was looked at is left untold. */
async function beginFound(
  tx: Tx,
  { evidence }: { readonly evidence: EvidenceStore },
  items: readonly Beginning[],
  told: Map<Beginning, Told<BegunExecution>>,
): Promise<void> {
  const [first] = items;
  if (first === undefined) return;
  const { rules } = first;
  const { promotionId } = first.input.promotion;
  const found = await look(tx, items);
  if (found === undefined) {
    throw activityFailure(FAILURES.notFound, `There is no promotion ${promotionId}.`);
  }
  const frozen = { promotion: { ...found.promotion, rules: { ...rules } }, rules };
  const begins = items.filter((item) => {
    const { input, step } = item;
    const checked = tryTo(() => {
      assertInput(input, frozen);
      checkMember(input, step, memberOf(found, input));
      const effect = found.effects.get(keyOf(input));
      return effect === undefined ? assertMayRun(found, input) : effect;
    });
    if ('error' in checked) told.set(item, checked);
    else if (checked.answer !== undefined) {
      told.set(item, { answer: { stored: toldResult(checked.answer, input) } });
    }
    return !told.has(item);
  });
  const attempts = await (first.input.member === undefined
    ? beginWhole(tx, found, begins)
    : beginOfStep(tx, found, begins));
  for (const item of begins) {
    const { input, step, type } = item;
    const begun = attempts.get(input.member?.key ?? input.stepId);
    if (begun === 'ended') told.set(item, { error: endedBefore(input) });
    if (typeof begun !== 'number') continue;
    const checked = checkMember(input, step, memberOf(found, input));
    const needs = step.course.needs.flatMap((id) => found.steps.get(id) ?? []);
    const prepared = await prepareStep(tx, evidence, frozen, step, checked, needs);
    const isCounted = type.marksEffect !== true;
    const attempt = isCounted ? begun : begun + 1;
    const attempted = withoutLostAttempt({ ...prepared, attempt, isCounted });
    told.set(item, { answer: { ...frozen, prepared: attempted } });
  }
}

function look(
  tx: Tx,
  items: readonly Beginning[],
): Promise<FoundExecutions<StoredResult> | undefined> {
  const inputs = items.map(({ input }) => input);
  const [first] = inputs;
  const steps = new Set(items.flatMap(({ input, step }) => [input.stepId, ...step.course.needs]));
  const keys = inputs.flatMap(({ member }) => (member === undefined ? [] : [member.key]));
  return findExecutions<StoredResult>(tx, first?.promotion.promotionId ?? '', {
    steps: [...steps],
    effects: inputs.map(keyOf),
    members: first && keys.length > 0 ? { ...placeOf(first), keys } : undefined,
  });
}

/** Steps without members. */
function beginWhole(
  tx: Tx,
  { promotion, steps }: FoundExecutions,
  items: readonly Beginning[],
): Promise<ReadonlyMap<string, number>> {
  const begins = items.flatMap(({ input, type }) => {
    const { stepId, round } = placeOf(input);
    const from = steps.get(stepId)?.state;
    if (from === undefined) return [];
    const counts = type.marksEffect !== true;
    return [{ stepId, from, round, counts, event: runningEvent(tx, promotion, stepId, from) }];
  });
  return beginSteps(tx, promotion.promotionId, begins);
}

/** Members of one step: the first of them begin the step, too. What has ended since it was looked at is looked at once more. */
async function beginOfStep(
  tx: Tx,
  { promotion, steps }: FoundExecutions,
  items: readonly Beginning[],
): Promise<ReadonlyMap<string, number | 'ended'>> {
  const [first] = items;
  if (first === undefined) return new Map();
  const { type } = first;
  const set = placeOf(first.input);
  const { promotionId, stepId, round } = set;
  const from = steps.get(stepId)?.state;
  if (from !== undefined && from !== 'running') {
    const event = runningEvent(tx, promotion, stepId, from);
    const begun = await beginSteps(tx, promotionId, [
      { stepId, from, round, counts: false, event },
    ]);
    if (!begun.has(stepId)) return new Map();
  }
  const keys = items.flatMap(({ input: { member } }) => (member === undefined ? [] : [member.key]));
  const attempts = await beginMembers(tx, set, keys, type.marksEffect !== true);
  if (attempts.size === keys.length) return attempts;
  // Another attempt may have come to its end in this moment: then its effect is there.
  const effects = keys.map((key) => effectKey(promotionId, stepId, key, round));
  const late = await findExecutions(tx, promotionId, { steps: [], effects });
  const ended = keys.filter(
    (key) => !attempts.has(key) && !late?.effects.has(effectKey(promotionId, stepId, key, round)),
  );
  return new Map<string, number | 'ended'>([
    ...attempts,
    ...ended.map((key) => [key, 'ended'] as const),
  ]);
}

function runningEvent(
  tx: Tx,
  promotion: FoundExecutions['promotion'],
  stepId: string,
  from: string,
): ReturnType<typeof eventOf> | null {
  if (from === 'running') return null;
  return eventOf(tx, 'step.state-changed', promotion, { step: stepId, state: 'running' });
}

/** @throws ApplicationFailure where the records have no such step, or it cannot run any more */
function assertMayRun({ steps }: FoundExecutions, { stepId, promotion }: ExecuteStepInput): void {
  const { promotionId } = promotion;
  const state = steps.get(stepId)?.state;
  if (state === undefined) {
    throw activityFailure(FAILURES.notFound, `There is no step ${stepId} of ${promotionId}.`);
  }
  if (state === 'running' || isStepTransition(state, 'running')) return;
  throw activityFailure(
    FAILURES.illegalTransition,
    `Step ${stepId} of ${promotionId} is ${state} and cannot become running: it does not begin again.`,
  );
}

function memberOf(
  { members }: FoundExecutions,
  { member }: ExecuteStepInput,
): ReturnType<FoundExecutions['members']['get']> {
  return member && members.get(member.key);
}

function keyOf({ promotion, stepId, member, round }: ExecuteStepInput): string {
  return effectKey(promotion.promotionId, stepId, member?.key, round);
}

function changesAllTheTime({ input: { stepId, promotion } }: Beginning): Error {
  return activityFailure(
    FAILURES.unavailable,
    `Step ${stepId} of ${promotion.promotionId} changes all the time; it is looked at again.`,
  );
}

function tryTo<T>(work: () => T): Told<T> {
  try {
    return { answer: work() };
  } catch (error) {
    return { error };
  }
}
