import type { SteerRolloutInput } from '@sluice/temporal-contract';
import { CancellationScope, log } from '@temporalio/workflow';
import { meaningOfFailure } from '../failure-reason.ts';
import { positions } from './rollout-activities.ts';
import type { RolloutRun } from './rollout-run.ts';

/** Writes where a rollout stands, one record after the other, in the order of what happened. */
export class RolloutRecords {
  readonly #rollout: RolloutRun;
  #last: Promise<void> = Promise.resolve();

  constructor(rollout: RolloutRun) {
    this.#rollout = rollout;
  }

  /** As it stands now. What the record refuses is logged: another run of this promotion was further. */
  async note(): Promise<void> {
    try {
      await this.#write(undefined);
    } catch (error) {
      const { ref } = this.#rollout;
      const meaning = meaningOfFailure(error, 'record', `Rollout of step ${ref.stepId}`, 0);
      if (meaning === undefined) throw error;
      log.warn('where a rollout stands was not recorded', { stepId: ref.stepId, meaning });
    }
  }

  /** The same, with what a person did. @throws ActivityFailure when the record refuses it */
  noteSteered(steered: SteerRolloutInput): Promise<void> {
    return this.#write(steered);
  }

  #write(steered: SteerRolloutInput | undefined): Promise<void> {
    const { ref } = this.#rollout;
    const at = this.#rollout.position();
    const turn = this.#last.then(() =>
      CancellationScope.nonCancellable(() =>
        positions.recordRollout({ ...ref, at, ...(steered === undefined ? {} : { steered }) }),
      ),
    );
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
