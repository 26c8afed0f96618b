/*
 * settlePromotion ends a promotion whose own workflow is closed without an end, was terminated, or is unknown to the engine.
 *
 * States: running → failed, reverted or cancelled, each sealed; nothing at all when the promotion has ended by itself.
 * It waits for its activities only: the rules that were frozen, the agents' reports of reverts with their deadline, and records
 * and the seal for as long as it takes. It is not cancelled: nothing else ends such a promotion. First it records the
 * deploying steps as cancelled, which keeps attempts that still run from dispatching; then it reverts every target
 * that was deployed to, and gives back the lease and the place in its queue.
 * Not so for a rollback, which is never reverted, and for a superseded promotion (reason `superseded`, or the signal
 * `supersedePromotion` meanwhile): its targets are the rollback's.
 * Of a promotion of form 3 all steps are fenced so, and what still runs is given time to end (a timer); then every step with a
 * compensation is put back, and its groups are given back. The steps that wanted to run however it ended do not run.
 */
import { DEFAULT_DEADLINES, parseStepType } from '@sluice/domain';
import type {
  PromotionResult,
  PromotionStatus,
  SettlePromotionInput,
  SupersedePromotionSignal,
} from '@sluice/temporal-contract';
import { environmentLease, LEASED_STEPS, PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import {
  CancellationScope,
  defineQuery,
  defineSignal,
  log,
  setHandler,
} from '@temporalio/workflow';
import { controlWithin, records } from './activity-classes.ts';
import { settleAbandonedCourse } from './course/settle-abandoned.ts';
import { meaningOfFailure } from './failure-reason.ts';
import type { Ending } from './interpret-pipeline.ts';
import { PromotionRun } from './promotion-run.ts';
import { sealAndRelease } from './seal-epilogue.ts';
import { settleEnding } from './settle-ending.ts';
import { recordStepState } from './step-records.ts';

const promotionStatus = defineQuery<PromotionStatus>(PROMOTION_MESSAGES.promotionStatus);
const supersedePromotion = defineSignal<[SupersedePromotionSignal]>(
  PROMOTION_MESSAGES.supersedePromotion,
);

/** Codes of a record that says: there is nothing to end. */
const NOTHING_TO_END = ['illegal-transition', 'not-found'];

/**
 * Ends one promotion from outside.
 * @returns null when it had ended by itself; then only the lease is given back
 * @throws ApplicationFailure `SealingFailed`
 */
export async function settlePromotion(
  input: SettlePromotionInput,
): Promise<PromotionResult | null> {
  const run = new PromotionRun(input);
  setHandler(promotionStatus, () => run.status());
  setHandler(supersedePromotion, ({ by }) => run.supersede(by));
  run.announce();
  return CancellationScope.nonCancellable(async () => {
    run.leaseSought = true;
    if (!(await isOpen(run))) {
      const { promotion, environment } = input;
      await records.releaseLease({ promotion, resource: environmentLease(environment) });
      return null;
    }
    await adoptStoredRules(run);
    if (run.rules?.form !== 3) await fenceDeployments(run);
    const isSuperseded = input.reason.code === 'superseded';
    // What its workflow had begun is unknown: the records are asked.
    run.effectsBegun = !isSuperseded;
    const ending: Ending = { state: isSuperseded ? 'cancelled' : 'failed', reason: input.reason };
    const settle = run.rules?.form === 3 ? settleAbandonedCourse : settleEnding;
    return sealAndRelease(run, ending, await settle(run, ending));
  });
}

/** From `running` on every end is allowed; a promotion that has ended refuses to run again. */
async function isOpen(run: PromotionRun): Promise<boolean> {
  try {
    await run.enterState('running');
    return true;
  } catch (error) {
    const meaning = meaningOfFailure(error, 'settle', 'Start of the settlement', 0);
    if (meaning?.kind !== 'terminal' || !NOTHING_TO_END.includes(meaning.reason.code)) throw error;
    log.info('nothing to settle', { meaning });
    return false;
  }
}

/** Without rules nothing was deployed by them: targets and deadlines are not needed then. */
async function adoptStoredRules(run: PromotionRun): Promise<void> {
  const { promotion } = run.input;
  try {
    run.adoptRules(
      await controlWithin(DEFAULT_DEADLINES.promotionSeconds).freezeRules({ promotion }),
    );
  } catch (error) {
    const seconds = DEFAULT_DEADLINES.promotionSeconds;
    const meaning = meaningOfFailure(error, 'freeze-rules', 'Rules', seconds);
    if (meaning === undefined) throw error;
    log.warn('rules of an abandoned promotion are not to be had', { meaning });
  }
}

/** A dispatch looks at the step's state under the same lock: from here on the list of deployments is complete. */
async function fenceDeployments(run: PromotionRun): Promise<void> {
  const { reason } = run.input as SettlePromotionInput;
  for (const { id, type } of run.rules?.pipeline.steps ?? []) {
    if (LEASED_STEPS.has(parseStepType(type).type)) {
      await recordStepState(run, id, 'cancelled', reason);
    }
  }
}
