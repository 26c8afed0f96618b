import type { PromotionEndState } from '@sluice/domain';
import { parseStepType, readySteps } from '@sluice/domain';
import type { FrozenRules, Reason } from '@sluice/temporal-contract';
import { CONTROL_STEPS, LEGACY_STEP_QUEUES } from '@sluice/temporal-contract';
import type { PromotionRun } from './promotion-run.ts';
import { runStep, unknownType } from './step-execution.ts';
import { recordStepState } from './step-records.ts';

/** Where a promotion goes, before compensation has had its say. */
export interface Ending {
  readonly state: Exclude<PromotionEndState, 'reverted'>;
  readonly reason: Reason | null;
}

/**
 * Runs the pipeline: starts every ready step at once, goes on as each ends, and stops starting when one did not
 * succeed or the run was stopped. Steps that run then come to their end first. A step that finds the plan stale sends
 * itself and others back to pending, and they start again.
 */
export async function interpretPipeline(run: PromotionRun, rules: FrozenRules): Promise<Ending> {
  const unknown = rules.pipeline.steps.find((step) => {
    const { type } = parseStepType(step.type);
    const isControl = rules.form === 2 && CONTROL_STEPS.has(type);
    return !isControl && LEGACY_STEP_QUEUES[type] === undefined;
  });
  if (unknown !== undefined) {
    const reason = unknownType(unknown);
    await recordStepState(run, unknown.id, 'failed', reason);
    return { state: 'failed', reason };
  }
  const running = new Map<string, Promise<void>>();
  for (;;) {
    const ready = run.stopCause === undefined ? readySteps(rules.pipeline, run.stepStates()) : [];
    for (const step of ready) {
      run.setStep(step.id, 'running', null);
      const ended = runStep(run, rules, step).finally(() => running.delete(step.id));
      running.set(step.id, ended);
    }
    if (running.size === 0) return endingOf(run);
    await Promise.race(running.values());
  }
}

function endingOf(run: PromotionRun): Ending {
  if (run.stopCause !== undefined) return run.stopCause;
  if (run.denial !== undefined) return { state: 'denied', reason: run.denial };
  const stuck = run.steps().find(({ state }) => state !== 'succeeded');
  return stuck === undefined
    ? { state: 'succeeded', reason: null }
    : { state: 'failed', reason: stuck.reason };
}
