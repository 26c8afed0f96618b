import { isCourse } from '@sluice/domain';
import { findEffect, setStepState, type Tx, withTenant } from '@sluice/persistence';
import {
  type ExecuteStepInput,
  FAILURES,
  type StepActivities,
  type StepResult,
} from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { type Correlation, runActivity } from '../run-activity.ts';
import { assertInput } from './assert-input.ts';
import { type AttemptedStep, countOnce } from './attempt-count.ts';
import { beginExecutions } from './begin-execution.ts';
import { compensate } from './compensate-step.ts';
import { effectKey } from './effect-key.ts';
import { createExecutionsTogether } from './executions-together.ts';
import { createFrozenCourses, type FrozenCourses, type FrozenPromotion } from './frozen-course.ts';
import { type KeptOutcome, keepOutcome } from './keep-outcome.ts';
import type { PreparedStep } from './prepare-step.ts';
import { type BegunRun, NO_OUTPUT, runLogged, type StepFrameParts } from './run-step.ts';
import { isPerTarget, recordStepEvent, type StoredResult, settleStep } from './settle-step.ts';
import { checkOutputs, retryFailed, toldResult } from './step-attempt.ts';
import { withFence } from './step-fence.ts';
import type { StepRegistry } from './step-registry.ts';
import type { StepOutcome, StepType } from './step-type.ts';
import { answerOf } from './together.ts';

/** The activities of every step that is no control step: find the type, run it or its compensation, settle it. */
export function createStepActivities(
  parts: StepFrameParts,
  registry: StepRegistry,
  courses: FrozenCourses = createFrozenCourses(),
): StepActivities {
  const together = createExecutionsTogether({ ...parts, courses });
  return {
    executeStep: (input) =>
      runActivity(parts, 'executeStep', correlationOf(input), async (log, scope) => {
        const type = registry.get(input.type, input.version);
        const { tenantId } = input.promotion;
        const begun: BegunStep = await (together.begin(input, type) ??
          withTenant(parts.pool, tenantId, (tx) => beginStep(tx, parts, courses, input, type)));
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
        const outcome: KeptOutcome =
          prepared === undefined
            ? await type.run({ ...run, output: NO_OUTPUT })
            : await keepOutcome(parts, await runPrepared(parts, type, run, prepared), {
                inputs: isUndoable(type, prepared) ? prepared.inputs : undefined,
                wants: input.wants,
              });
        const end = { promotion, rules, stepId, target, member: member?.key, round, ...outcome };
        const settled = await (together.settle(tenantId, end) ??
          withTenant(parts.pool, tenantId, (tx) => settleStep(tx, end)));
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
function isUndoable(type: StepType, prepared: PreparedStep): boolean {
  return type.compensate !== undefined && prepared.refusal === undefined;
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
  const outcome = await withFence(parts, run, counted, (fenced) =>
    runLogged(parts, fenced, 'run', (logged) => type.run(logged)),
  );
  const result = checkOutputs(outcome.result, prepared, run.input.wants);
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
  { evidence }: Pick<StepFrameParts, 'evidence'>,
  courses: FrozenCourses,
  input: ExecuteStepInput,
  type: StepType,
): Promise<BegunStep> {
  const rules = await courses.readRules(tx, input.promotion.promotionId);
  if (!isCourse(rules.pipeline)) return beginBuiltIn(tx, courses, input);
  const step = await courses.readStep(tx, rules, input.stepId);
  const [told] = await beginExecutions(tx, { evidence }, [{ input, type, rules, step }]);
  if (told === undefined) throw new Error('Nothing was said of what begins.');
  return answerOf(told);
}

/** Of a built-in pipeline. */
async function beginBuiltIn(
  tx: Tx,
  courses: FrozenCourses,
  input: ExecuteStepInput,
): Promise<BegunStep> {
  const { promotionId } = input.promotion;
  const { stepId, target, round } = input;
  const frozen = await courses.read(tx, promotionId);
  assertInput(input, frozen);
  if (isPerTarget(input.type) !== (target !== undefined)) {
    throw activityFailure(
      FAILURES.invalidInput,
      `Step ${stepId} of type ${input.type} came ${target === undefined ? 'without' : 'with'} a target.`,
    );
  }
  const key = effectKey(promotionId, stepId, target, round);
  const effect = await findEffect<StoredResult>(tx, key);
  if (effect !== undefined) return { stored: effect.result };
  try {
    if (await setStepState(tx, { promotionId, stepId, state: 'running' })) {
      await recordStepEvent(tx, frozen.promotion, stepId, 'running');
    }
  } catch (error) {
    // An attempt that was given up, and came to its end in this moment.
    const late = await findEffect<StoredResult>(tx, key);
    if (late === undefined) throw error;
    return { stored: late.result };
  }
  return { ...frozen, prepared: undefined };
}
