import { DEFAULT_DEADLINES, parseStepType } from '@sluice/domain';
import type { PromotionResult, Reason } from '@sluice/temporal-contract';
import { LEASED_STEPS } from '@sluice/temporal-contract';
import { records, revertWithin } from './activity-classes.ts';
import { meaningOfFailure } from './failure-reason.ts';
import type { Ending } from './interpret-pipeline.ts';
import { MAX_IN_FLIGHT, mapBounded } from './map-bounded.ts';
import type { PromotionRun } from './promotion-run.ts';
import { recordStepState } from './step-records.ts';

/** The end state and reason that are sealed. */
export type SettledEnding = Pick<PromotionResult, 'state' | 'reason'>;

/**
 * The state of an ended deploy step is recorded before this runs, and a dispatch checks it under the same lock: the list of
 * deployments is complete.
 *
 * Puts back every target that this promotion dispatched a deployment to. Without any, the ending stands. With all put back,
 * a failure or denial becomes `reverted` and a cancellation stays one; with any not put back the promotion has
 * `failed`, and the reason names the targets that need a person.
 */
export async function revertDeployedTargets(
  run: PromotionRun,
  ending: Ending,
): Promise<SettledEnding> {
  const { promotion } = run.input;
  let targets: readonly string[];
  try {
    targets = await records.listDeployments({ promotion });
  } catch (error) {
    const meaning = meaningOfFailure(error, 'list-deployments', 'List of deployments', 0);
    if (meaning === undefined) throw error;
    // Not knowing is no reason to leave a target behind: all that could have been touched are put back.
    targets = run.rules?.targets ?? [];
  }
  if (targets.length === 0) return ending;

  const problems = (
    await mapBounded(targets, MAX_IN_FLIGHT, (target) => revertTarget(run, target))
  ).filter((problem) => problem.reason !== null);
  if (problems.length > 0) {
    const names = problems.map(({ target }) => target).join(', ');
    const details = problems
      .slice(0, 5)
      .map(({ target, reason }) => `${target}: ${reason?.message}`)
      .join(' ');
    return {
      state: 'failed',
      reason: {
        code: 'revert-failed',
        message:
          `Not put back: ${names}. A person must look at them: what runs there may be neither the old release nor the new. ` +
          `${details} It began with: ${ending.reason?.code ?? ending.state}: ${ending.reason?.message ?? ''}`,
      },
    };
  }
  for (const step of run.rules?.pipeline.steps ?? []) {
    const status = run.steps().find(({ id }) => id === step.id);
    const touched = status?.state !== 'pending' && LEASED_STEPS.has(parseStepType(step.type).type);
    if (touched) await recordStepState(run, step.id, 'reverted', status?.reason ?? ending.reason);
  }
  return { state: ending.state === 'cancelled' ? 'cancelled' : 'reverted', reason: ending.reason };
}

async function revertTarget(
  run: PromotionRun,
  target: string,
): Promise<{ readonly target: string; readonly reason: Reason | null }> {
  const { revertSeconds: seconds } = run.rules?.deadlines ?? DEFAULT_DEADLINES;
  const { promotion, traceparent } = run.input;
  try {
    const result = await revertWithin(seconds).revertTarget({ promotion, target, traceparent });
    if (result.outcome === 'succeeded') return { target, reason: null };
    const reason = result.reason ?? { code: 'revert-failed', message: 'No reason was given.' };
    return { target, reason };
  } catch (error) {
    const meaning = meaningOfFailure(error, 'revert', `Revert of ${target}`, seconds);
    if (meaning === undefined) throw error;
    const reason =
      meaning.kind === 'cancelled'
        ? { code: 'revert-cancelled', message: 'The revert was cancelled.' }
        : meaning.reason;
    return { target, reason };
  }
}
