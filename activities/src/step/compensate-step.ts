import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger } from '@sluice/observability';
import {
  countFailedUndo,
  findBegunRound,
  findEffect,
  hasBegun,
  insertEffect,
  settleMember,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import type { ExecuteStepInput, StepResult } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { placeOf } from './attempt-count.ts';
import { compensationKey, effectKey } from './effect-key.ts';
import type { FrozenCourses, FrozenPromotion } from './frozen-course.ts';
import { createLargeValueReader, findLargeValueCode, readValues } from './large-values.ts';
import { checkExecution, type PreparedStep, prepareStep } from './prepare-step.ts';
import { runLogged, type StepFrameParts } from './run-step.ts';
import type { StoredResult } from './settle-step.ts';
import { ATTEMPT_LOST, retryFailed, toldResult } from './step-attempt.ts';
import type { StepRegistry } from './step-registry.ts';
import { failedResult, type StepOutcome, type StepType, succeededResult } from './step-type.ts';

/**
 * Puts back what one execution did, with the same inputs. Its effect record stands beside that of the execution, under the key
 * `<effect>/compensation`. One that began and never said how it ended (cancelled, timed out, its worker killed) is put back too, with its
 * inputs found once more. Nothing is to be done where it never began, and where the type has nothing to put back.
 */
export async function compensate(
  parts: StepFrameParts,
  registry: StepRegistry,
  courses: FrozenCourses,
  asked: ExecuteStepInput,
  { log, scope }: { readonly log: Logger; readonly scope: ActivityScope },
): Promise<StepResult> {
  const { tenantId, promotionId } = asked.promotion;
  const type = registry.get(asked.type, asked.version);
  const begun = await withTenant(parts.pool, tenantId, (tx) =>
    begin(tx, parts, courses, type, asked),
  );
  if ('stored' in begun) return toldResult(begun.stored, asked);
  if ('untouched' in begun) return { ...succeededResult({}), untouched: true };
  const { key, input } = begun;
  const outcome = await putBack(parts, type, begun, { log, scope });
  const result = await withTenant(parts.pool, tenantId, async (tx) => {
    const { inserted, effect } = await insertEffect(tx, {
      idempotencyKey: compensationKey(key),
      promotionId,
      stepId: input.stepId,
      target: input.target ?? null,
      result: outcome.result,
    });
    if (inserted) await record(tx, begun, input, outcome);
    return effect.result;
  });
  log.info({ outcome: result.outcome }, 'step was put back');
  return toldResult(result, input);
}

async function putBack(
  parts: StepFrameParts,
  type: StepType,
  { input, promotion, rules, prepared, key }: BegunUndo,
  { log, scope }: { readonly log: Logger; readonly scope: ActivityScope },
): Promise<StepOutcome> {
  const undo = type.compensate?.bind(type);
  if (undo === undefined || !isUndone(prepared)) return { result: succeededResult({}) };
  if (prepared.refusal !== undefined) return { result: prepared.refusal };
  const run = {
    input,
    promotion,
    rules,
    scope,
    log,
    inputs: prepared.inputs,
    member: prepared.member?.value,
    idempotencyKey: compensationKey(key),
  };
  const outcome = await runLogged(parts, run, 'compensation', undo);
  if (outcome.result.outcome === 'succeeded') return outcome;
  // Attempts that a dying worker took along do not count: undoing is tried until it says that it cannot.
  const failed = await withTenant(parts.pool, input.promotion.tenantId, (tx) =>
    countFailedUndo(tx, placeOf(input)),
  );
  // That an effect happens once says nothing of trying again to undo it.
  const manifest = { ...prepared.manifest, effect: 'at-least-once' as const };
  retryFailed(outcome.result, { ...prepared, manifest }, failed);
  return outcome;
}

function isUndone({ resolved, manifest: { compensation } }: PreparedStep): boolean {
  if (compensation === null || !resolved.compensate) return false;
  // Whether it is wired is known also where its value is not.
  return (
    compensation.onlyWith === undefined || resolved.inputs[compensation.onlyWith] !== undefined
  );
}

type BegunCompensation = { readonly stored: StepResult } | { readonly untouched: true } | BegunUndo;

interface BegunUndo extends FrozenPromotion {
  readonly prepared: PreparedStep;
  readonly key: string;
  /** With its round. */
  readonly input: ExecuteStepInput;
}

async function begin(
  tx: Tx,
  { evidence }: Pick<StepFrameParts, 'evidence'>,
  courses: FrozenCourses,
  type: StepType,
  asked: ExecuteStepInput,
): Promise<BegunCompensation> {
  const { stepId, member, promotion } = asked;
  const { promotionId } = promotion;
  const frozen = await courses.read(tx, promotionId);
  const step = await courses.readStep(tx, frozen.rules, stepId);
  const round = await findRound(tx, asked);
  if (round === undefined) return { untouched: true };
  const input = { ...asked, round };
  const checked = await checkExecution(tx, input, step);
  const key = effectKey(promotionId, stepId, member?.key, round);
  const done = await findEffect<StepResult>(tx, compensationKey(key));
  if (done !== undefined) return { stored: done.result };
  const effect = await findEffect<StoredResult>(tx, key);
  if (effect === undefined && !(await hasBegun(tx, placeOf(input)))) return { untouched: true };
  if (effect !== undefined && wasRefused(type, effect.result)) return { untouched: true };
  const prepared = await prepareStep(tx, evidence, frozen, step, checked);
  const known = await withRecordedInputs(evidence, prepared, effect?.result);
  return { ...frozen, prepared: known, key, input };
}

/** What it was done with goes before what would be found now. */
async function withRecordedInputs(
  evidence: EvidenceStore,
  prepared: PreparedStep,
  effect: StoredResult | undefined,
): Promise<PreparedStep> {
  if (effect?.inputs === undefined) return prepared;
  const { inputs, inputReferences = {} } = effect;
  const what = (name: string): string => `Input ${name} of step ${prepared.resolved.id}`;
  try {
    const reader = createLargeValueReader(evidence);
    const found = await readValues(reader, what, inputs, inputReferences);
    return { ...prepared, inputs: found, refusal: undefined };
  } catch (error) {
    const code = findLargeValueCode(error);
    if (code === undefined) throw error;
    return { ...prepared, inputs: {}, refusal: failedResult(code, (error as Error).message) };
  }
}

/** True of a step that was never run for what it was given; its result says so. */
function wasRefused(type: StepType, { outcome, inputs, reason }: StoredResult): boolean {
  if (type.compensate === undefined) return false;
  return outcome === 'failed' && inputs === undefined && reason?.code !== ATTEMPT_LOST;
}

/** The round that is asked for; undefined where the newest is, and it has begun in none. */
async function findRound(tx: Tx, input: ExecuteStepInput): Promise<number | undefined> {
  const { promotionId, stepId, round, memberKey } = placeOf(input);
  if (input.newestRound !== true) return round;
  return findBegunRound(tx, { promotionId, stepId, memberKey });
}

async function record(
  tx: Tx,
  { promotion }: FrozenPromotion,
  { stepId, member, round = 1 }: ExecuteStepInput,
  outcome: StepOutcome,
): Promise<void> {
  const { promotionId } = promotion;
  const { outcome: came, reason } = outcome.result;
  await outcome.record?.(tx);
  if (member !== undefined && came === 'succeeded') {
    const set = { promotionId, stepId, round };
    await settleMember(tx, set, { key: member.key, state: 'reverted', reason });
  }
  await recordEventOf(tx, 'step.compensated', promotion, {
    step: stepId,
    ...(member === undefined ? {} : { member: member.key }),
    outcome: came,
    ...(reason === null ? {} : { reason: reason.code }),
  });
}
