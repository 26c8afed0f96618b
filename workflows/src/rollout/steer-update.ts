import { admitSteer } from '@sluice/domain';
import type { SteerRolloutInput, SteerRolloutResult } from '@sluice/temporal-contract';
import { STEER_ROLLOUT } from '@sluice/temporal-contract';
import { ApplicationFailure, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';
import { failureTypeOf, isActivityFailure, rootMessage } from '../failure-reason.ts';
import type { PromotionRun } from '../promotion-run.ts';
import type { SteeredRollout } from './rollout-flow.ts';

const steerRollout = defineUpdate<SteerRolloutResult, [SteerRolloutInput]>(STEER_ROLLOUT);

/**
 * Takes what people do to rollouts. As with decisions the validator is synchronous and the handler asks the same again before it acts; and
 * what was answered in a run before this one is answered alike.
 */
export function listenToSteering(run: PromotionRun): void {
  setHandler(steerRollout, (input) => answer(run, input), {
    validator: (input): void => {
      if (!run.steered.has(input.steerId)) admit(run, input);
    },
  });
}

async function answer(run: PromotionRun, input: SteerRolloutInput): Promise<SteerRolloutResult> {
  run.updatedAt = workflowInfo().historyLength;
  const known = run.steered.get(input.steerId);
  if (known !== undefined) return known;
  const { rollout, records } = admit(run, input);
  rollout.steer(input);
  const { stage, state } = rollout;
  try {
    await records.noteSteered(input);
  } catch (error) {
    if (!isActivityFailure(error)) throw error;
    throw refusal(failureTypeOf(error), rootMessage(error));
  }
  run.updatedAt = workflowInfo().historyLength;
  const answered = { steerId: input.steerId, state, stage };
  run.steered.set(input.steerId, answered);
  return answered;
}

/** @throws ApplicationFailure whose type is the refusal's code */
function admit({ course }: PromotionRun, input: SteerRolloutInput): SteeredRollout {
  const found = course?.rollouts.get(input.stepId);
  const admission = found === undefined ? admitSteer(undefined, input) : found.rollout.admit(input);
  if (!admission.ok) throw refusal(admission.code, admission.message);
  if (found !== undefined) return found;
  throw refusal('rollout-unknown', `Step ${input.stepId} has no rollout.`);
}

function refusal(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
