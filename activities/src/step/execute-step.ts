import { isCourse } from '@sluice/domain';
import {
  findEffect,
  listStepsById,
  setStepState,
  startMember,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  type ExecuteStepInput,
  FAILURES,
  type StepActivities,
  type StepResult,
} from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { type Correlation, runActivity } from '../run-activity.ts';
import {
  type AttemptedStep,
  beginAttempt,
  countOnce,
  endedBefore,
  placeOf,
} from './attempt-count.ts';
import { compensate } from './compensate-step.ts';
import { effectKey } from './effect-key.ts';
import { createFrozenCourses, type FrozenCourses, type FrozenPromotion } from './frozen-course.ts';
import { checkExecution, type PreparedStep, prepareStep } from './prepare-step.ts';
import { type BegunRun, NO_OUTPUT, runLogged, type StepFrameParts } from './run-step.ts';
import { isPerTarget, recordStepEvent, type StoredResult, settleStep } from './settle-step.ts';
import { checkOutputs, retryFailed, toldResult, withoutLostAttempt } from './step-attempt.ts';
import type { StepRegistry } from './step-registry.ts';
import type { StepOutcome, StepType } from './step-type.ts';

/** The activities of every step that is no control step: find the type, run it or its compensation, settle it. */
export function createStepActivities(
  parts: StepFrameParts,
  registry: StepRegistry,
  courses: FrozenCourses = createFrozenCourses(),
): StepActivities {
  return {
    executeStep: (input) =>
      runActivity(parts, 'executeStep', correlationOf(input), async (log, scope) => {
        const type = registry.get(input.type, input.version);
        const begun = await withTenant(parts.pool, input.promotion.tenantId, (tx) =>
          beginStep(tx, courses, input, type),
        );
        if ('stored' in begun) return begun.stored;
        const { promotion, rules, prepared } = begun;
        const { stepId, target, member, round } = input;
        const run: BegunRun = {
          input:
            prepared === undefined
              ? input
              : { ...input, inputDigests: { ...input.inputDigests, ...prepared.digests } },
          promotion,
          rules,
          scope,
          log,
          inputs: prepared?.inputs ?? {},
          member: prepared?.member?.value,
          idempotencyKey: effectKey(promotion.promotionId, stepId, member?.key ?? target, round),
        };
        const outcome =
          prepared === undefined
            ? await type.run({ ...run, output: NO_OUTPUT })
            : await runPrepared(parts, type, run, prepared);
        const settled = await withTenant(parts.pool, input.promotion.tenantId, (tx) =>
          settleStep(tx, {
            promotion,
            rules,
            stepId,
            target,
            member: member?.key,
            round,
            inputs: isUndoable(type, prepared) ? prepared?.inputs : undefined,
            ...outcome,
          }),
        );
        if (!settled.live) {
          const { outcome: came } = outcome.result;
          log.warn({ outcome: came }, 'the step was ended before its result came');
        }
        return prepared === undefined ? settled.result : toldResult(settled.result, input);
      }),

    compensateStep: (input) =>
      runActivity(parts, 'compensateStep', correlationOf(input), (log, scope) =>
        compensate(parts, registry, courses, input, { log, scope }),
      ),
  };
}

/** What is put back is put back with the same inputs: they are kept with the effect. */
function isUndoable(type: StepType, prepared: PreparedStep | undefined): boolean {
  return type.compensate !== undefined && prepared?.refusal === undefined;
}

function correlationOf({
  promotion,
  stepId,
  target,
  member,
  traceparent,
}: ExecuteStepInput): Correlation {
  const place = target ?? member?.key;
  return { ...promotion, stepId, ...(place === undefined ? {} : { target: place }), traceparent };
}

/** Runs a step of form 3: with heartbeats and its own log, its outputs checked, its failures thrown while attempts are left. */
async function runPrepared(
  parts: StepFrameParts,
  type: StepType,
  run: BegunRun,
  prepared: AttemptedStep,
): Promise<StepOutcome> {
  if (prepared.refusal !== undefined) return { result: prepared.refusal };
  const counted = countOnce(parts, run.input, prepared);
  const beginEffect = async (): Promise<void> => void (await counted());
  const outcome = await runLogged(parts, { ...run, beginEffect }, 'run', (logged) =>
    type.run(logged),
  );
  const result = checkOutputs(outcome.result, prepared);
  // What came to a result has been an attempt, also where it did not come to its effect.
  retryFailed(result, prepared, await counted());
  // What the type would write belongs to a success that it was not.
  return result.outcome === outcome.result.outcome ? { ...outcome, result } : { result };
}

type BegunStep =
  | { readonly stored: StepResult }
  | (FrozenPromotion & { readonly prepared: AttemptedStep | undefined });

/** Checks the input against the records and marks the step as running, unless its effect is recorded. */
async function beginStep(
  tx: Tx,
  courses: FrozenCourses,
  input: ExecuteStepInput,
  type: StepType,
): Promise<BegunStep> {
  const { promotionId } = input.promotion;
  const { stepId, target, member, round } = input;
  const frozen = await courses.read(tx, promotionId);
  const { promotion, rules } = frozen;
  assertInput(input, frozen);
  const isOfCourse = isCourse(rules.pipeline);
  if (!isOfCourse && isPerTarget(input.type) !== (target !== undefined)) {
    throw activityFailure(
      FAILURES.invalidInput,
      `Step ${stepId} of type ${input.type} came ${target === undefined ? 'without' : 'with'} a target.`,
    );
  }
  const step = isOfCourse ? await courses.readStep(tx, rules, stepId) : undefined;
  const checked = step === undefined ? undefined : await checkExecution(tx, input, step);
  const key = effectKey(promotionId, stepId, member?.key ?? target, round);
  const told = (stored: StoredResult) => (isOfCourse ? toldResult(stored, input) : stored);
  const effect = await findEffect<StoredResult>(tx, key);
  if (effect !== undefined) return { stored: told(effect.result) };
  // Members begin one beside the other: only the first of them needs the step's row.
  const isBegun =
    member !== undefined &&
    (await listStepsById(tx, promotionId, [stepId])).some(({ state }) => state === 'running');
  try {
    if (!isBegun && (await setStepState(tx, { promotionId, stepId, state: 'running' }))) {
      await recordStepEvent(tx, promotion, stepId, 'running');
    }
  } catch (error) {
    // An attempt that was given up, and came to its end in this moment.
    const late = await findEffect<StoredResult>(tx, key);
    if (late === undefined) throw error;
    return { stored: told(late.result) };
  }
  if (step === undefined || checked === undefined) return { ...frozen, prepared: undefined };
  if (member !== undefined && !(await startMember(tx, placeOf(input), member.key))) {
    throw endedBefore(input);
  }
  const prepared = await prepareStep(tx, frozen, step, checked);
  return { ...frozen, prepared: withoutLostAttempt(await beginAttempt(tx, type, input, prepared)) };
}

function assertInput(input: ExecuteStepInput, { promotion, rules }: FrozenPromotion): void {
  const { promotionId } = promotion;
  const { target } = input;
  // What ran beside the step that made the release was given the one before.
  assertDigest(input, 'release', [promotion.releaseDigest, rules.releaseDigest]);
  assertDigest(input, 'rules', [rules.rulesDigest]);
  if (target === undefined || rules.targets.includes(target)) return;
  throw activityFailure(
    FAILURES.invalidInput,
    `Target ${target} is none of promotion ${promotionId}: ${rules.targets.slice(0, 20).join(', ')}.`,
  );
}

function assertDigest(input: ExecuteStepInput, name: string, recorded: readonly string[]): void {
  const given = input.inputDigests[name];
  if (given === undefined || recorded.includes(given)) return;
  throw activityFailure(
    FAILURES.integrity,
    `Step ${input.stepId} of ${input.promotion.promotionId} was given ${name} ${given}, ` +
      `but ${recorded[0]} is recorded.`,
  );
}
