import type { StepState } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import { MAX_STEPS_A_RECORD } from '@sluice/temporal-contract';
import { CancellationScope, log } from '@temporalio/workflow';
import { records } from '../activity-classes.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import type { PromotionRun } from '../promotion-run.ts';

/** A state of a step that the interpreter writes itself. */
export interface StepToRecord {
  readonly stepId: string;
  readonly state: StepState;
  readonly reason: Reason | null;
}

/**
 * Records states that no activity of these steps could write, many at a time. A cancellation does not interrupt it. What the record
 * refuses was settled by a step's own activity, whose word stands: that is logged, not fatal.
 */
export async function recordSteps(
  run: PromotionRun,
  steps: readonly StepToRecord[],
): Promise<void> {
  const { promotion } = run.input;
  for (const { stepId, state, reason } of steps) run.setStep(stepId, state, reason);
  for (let from = 0; from < steps.length; from += MAX_STEPS_A_RECORD) {
    const some = steps.slice(from, from + MAX_STEPS_A_RECORD);
    try {
      await CancellationScope.nonCancellable(() => records.recordSteps({ promotion, steps: some }));
    } catch (error) {
      const meaning = meaningOfFailure(error, 'record', `Record of ${some.length} steps`, 0);
      if (meaning === undefined) throw error;
      log.warn('step states were not recorded', { first: some[0]?.stepId, meaning });
    }
  }
}
