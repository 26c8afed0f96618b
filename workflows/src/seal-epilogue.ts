import { cutText, DEFAULT_DEADLINES, isPromotionTransition } from '@sluice/domain';
import type { PromotionResult, Reason } from '@sluice/temporal-contract';
import { environmentLease } from '@sluice/temporal-contract';
import { ApplicationFailure, log, sleep } from '@temporalio/workflow';
import { controlWithin, records, sealing } from './activity-classes.ts';
import { recordSteps } from './course/course-records.ts';
import { endCourse } from './course/end-course.ts';
import { settleAbandonedCourse } from './course/settle-abandoned.ts';
import { meaningOfFailure } from './failure-reason.ts';
import type { Ending } from './interpret-pipeline.ts';
import type { PromotionRun } from './promotion-run.ts';
import { revertDeployedTargets, type SettledEnding } from './revert-targets.ts';
import { fenceSkippedDeployments, settleEnding } from './settle-ending.ts';
import { recordStepState } from './step-records.ts';

/** After this long without a seal the environment is given free for others, unless it would be with stale records. */
const SEAL_PATIENCE = '15 minutes';

/** What a seal answers that has found targets to be put back first. */
const REVERT_FIRST = 'revert-first';

/** The same of a run that has no rules: any of its steps may be to be put back. */
const UNDO_FIRST = 'undo-first';

/** A sealed reason's text; what a failed revert says of many targets is cut. */
const MAX_REASON = 8000;

/**
 * The epilogue of every end state: targets are put back where the ending asks for it, steps that never ran are
 * skipped, the end is sealed, and only then the lease is given back.
 */
export async function sealEnding(run: PromotionRun, ending: Ending): Promise<PromotionResult> {
  let settled: SettledEnding = ending;
  if (run.course !== undefined) {
    settled = await endCourse(run.course, ending);
    await passThroughRunning(run, settled);
    return sealAndRelease(run, ending, settled);
  }
  // Rules of the first form: awaited for nothing, commands would stand in another order than in their histories.
  if (run.rules?.form !== undefined || run.supersededBy !== undefined) {
    settled = await settleEnding(run, ending);
  } else if (ending.state !== 'succeeded' && run.effectsBegun) {
    settled = await revertDeployedTargets(run, ending);
  }
  const pending = run.steps().filter(({ state }) => state === 'pending');
  if (run.rules?.form === 3) {
    const { reason } = settled;
    await recordSteps(
      run,
      pending.map(({ id }) => ({ stepId: id, state: 'skipped', reason })),
    );
  } else {
    await Promise.all(pending.map(({ id }) => recordStepState(run, id, 'skipped', settled.reason)));
  }
  await passThroughRunning(run, settled);
  return sealAndRelease(run, ending, settled);
}

/**
 * Seals an end, and gives the lease or the place in its queue back. The run before a reset may have deployed where this one
 * has not: the records say so, and then targets are put back before anything is sealed.
 */
export async function sealAndRelease(
  run: PromotionRun,
  ending: Ending,
  settled: SettledEnding,
): Promise<PromotionResult> {
  const sealed = seal(run, settled);
  await releaseLeaseAfter(run, settled, sealed);
  const result = await sealed;
  if (result === UNDO_FIRST) {
    run.effectsBegun = true;
    run.leaseSought = true;
    await adoptRulesOfBefore(run);
    const undone = await settleAbandonedCourse(run, ending);
    await passThroughRunning(run, undone);
    return sealAndRelease(run, ending, undone);
  }
  if (result === REVERT_FIRST) {
    run.effectsBegun = true;
    run.leaseSought = true;
    await fenceSkippedDeployments(run, settled.reason);
    const reverted = await settleEnding(run, ending);
    await passThroughRunning(run, reverted);
    return sealAndRelease(run, ending, reverted);
  }
  run.showState(result.state);
  return result;
}

/** The records have them: steps have run by them. @throws ApplicationFailure `SealingFailed`, for sealed would be what is not true */
async function adoptRulesOfBefore(run: PromotionRun): Promise<void> {
  const { promotion } = run.input;
  const seconds = DEFAULT_DEADLINES.promotionSeconds;
  try {
    run.adoptRules(await controlWithin(seconds).freezeRules({ promotion }));
  } catch (error) {
    const what = `Rules of ${promotion.promotionId}`;
    const meaning = meaningOfFailure(error, 'freeze-rules', what, seconds);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    throw sealingFailed(meaning.reason);
  }
}

/** A promotion that ends out of its queue passes through running where the table wants it. */
async function passThroughRunning(run: PromotionRun, { state }: SettledEnding): Promise<void> {
  if (!isPromotionTransition(run.state, state)) await run.enterState('running');
}

/** Whether nothing of this promotion can be on targets that this run does not know of. */
function areTargetsSettled(run: PromotionRun, { state, reason }: SettledEnding): boolean {
  if (state === 'succeeded' || run.input.kind === 'rollback') return true;
  // Of a superseded promotion they are the rollback's; a settlement knows that by the reason alone.
  const isSuperseded = run.supersededBy !== undefined || reason?.code === 'superseded';
  return run.effectsBegun || isSuperseded;
}

/** Whether no step can have run that this run does not know of: one that has rules looks for them by itself. */
function areStepsSettled(
  { rules, input, supersededBy }: PromotionRun,
  { state }: SettledEnding,
): boolean {
  if (rules !== undefined || input.kind === 'rollback') return true;
  return state === 'succeeded' || supersededBy !== undefined;
}

/** @throws ApplicationFailure `SealingFailed` when no retry can mend it; the run can be reset once its cause is mended */
async function seal(
  run: PromotionRun,
  settled: SettledEnding,
): Promise<PromotionResult | typeof REVERT_FIRST | typeof UNDO_FIRST> {
  const { state, reason } = settled;
  const { promotion, traceparent } = run.input;
  const endedAt = new Date(Date.now()).toISOString();
  // A message may come from a tool or a host, cut anywhere: half a character could never be signed.
  const sealed = reason && { ...reason, message: cutText(reason.message, MAX_REASON) };
  try {
    const { packetDigest, revertFirst, undoFirst, ended } = await sealing.sealPromotion({
      promotion,
      state,
      reason: sealed,
      endedAt,
      traceparent,
      ...(areTargetsSettled(run, settled) ? {} : { targetsSettled: false }),
      ...(areStepsSettled(run, settled) ? {} : { stepsSettled: false }),
    });
    if (undoFirst === true) return UNDO_FIRST;
    if (revertFirst === true) return REVERT_FIRST;
    // The records have the last word: it was sealed before, or a rollback was faster than a success.
    return {
      state: ended?.state ?? state,
      reason: ended === undefined ? reason : ended.reason,
      packetDigest,
    };
  } catch (error) {
    const meaning = meaningOfFailure(error, 'seal', `Seal of ${promotion.promotionId}`, 0);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    throw sealingFailed(meaning.reason);
  }
}

function sealingFailed({ message }: Reason): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'SealingFailed',
    nonRetryable: true,
    message: `${message} Mend the cause, then reset this run to its last workflow task.`,
  });
}

/**
 * Gives the lease, or the place in its queue, back once the seal is there or has failed for good; after a long wait
 * also without it. Not so after a success: its seal writes what runs on the targets, and the next
 * promotion plans against that. Nor while targets have to be put back: that needs the lease.
 */
async function releaseLeaseAfter(
  run: PromotionRun,
  { state }: SettledEnding,
  sealed: Promise<unknown>,
): Promise<void> {
  const settledSeal = sealed.then(
    (answer) => answer === REVERT_FIRST || answer === UNDO_FIRST,
    () => false,
  );
  const patience = (): Promise<false> => sleep(SEAL_PATIENCE).then(() => false);
  if (!run.leaseSought) {
    await settledSeal;
    return;
  }
  const isOpen = await (state === 'succeeded'
    ? settledSeal
    : Promise.race([settledSeal, patience()]));
  if (isOpen) return;
  const { promotion, environment } = run.input;
  try {
    await records.releaseLease({ promotion, resource: environmentLease(environment) });
    run.fencingToken = null;
  } catch (error) {
    const meaning = meaningOfFailure(error, 'release-lease', `Lease of ${environment}`, 0);
    if (meaning === undefined) throw error;
    log.error('the lease was not given back', { environment, meaning });
  }
}
