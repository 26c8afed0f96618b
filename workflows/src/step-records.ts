import type { StepState } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import { CancellationScope, log } from '@temporalio/workflow';
import { records } from './activity-classes.ts';
import { meaningOfFailure } from './failure-reason.ts';
import type { PromotionRun } from './promotion-run.ts';

/**
 * Records a step's state that its own activity could not write. A cancellation does not interrupt it. When the
 * record refuses, the step's own activity was faster and its word stands: that is logged, not fatal.
 */
export async function recordStepState(
  run: PromotionRun,
  stepId: string,
  state: StepState,
  reason: Reason | null,
): Promise<void> {
  run.setStep(stepId, state, reason);
  const { promotion } = run.input;
  try {
    await CancellationScope.nonCancellable(() =>
      records.recordStep({ promotion, stepId, state, reason }),
    );
  } catch (error) {
    const meaning = meaningOfFailure(error, 'record', `Record of step ${stepId}`, 0);
    if (meaning === undefined) throw error;
    log.warn('step state was not recorded', { stepId, state, meaning });
  }
}
