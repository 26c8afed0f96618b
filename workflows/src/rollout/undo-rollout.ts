import type { CourseStep, RolloutLayout } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import { CancellationScope, log } from '@temporalio/workflow';
import type { CourseRun } from '../course/course-run.ts';
import { addTallies, EMPTY_TALLY, type MatrixTally } from '../course/matrix-outcome.ts';
import type { Members } from '../course/matrix-step.ts';
import type { Undoing } from '../course/undo-members.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import { positions } from './rollout-activities.ts';
import { routeTraffic } from './rollout-traffic.ts';

/**
 * Puts a rollout back: requests go off what may be new, the targets are put back, and then requests go where they went before it. They stay
 * off what could not be put back.
 * @param undoTargets puts back those that had the new version last first
 */
export async function undoRollout(
  course: CourseRun,
  step: CourseStep,
  undoing: Undoing,
  { rollout: layout, exposed, count }: Members,
  undoTargets: () => Promise<MatrixTally>,
): Promise<MatrixTally> {
  const { run } = course;
  const own = course.rollouts.get(step.id)?.rollout;
  const order = { stepId: step.id, round: undoing.round };
  const hasRouter = layout !== undefined && layout.router !== null;
  // What this run has seen has been taken off when it failed; of what another run did nobody knows.
  if (hasRouter && (own === undefined || own.doom === undefined)) {
    const reach = own?.exposed ?? exposed ?? count;
    const problem = await routeTraffic(run, { ...order, place: { kind: 'off', exposed: reach } });
    if (problem !== null) log.warn('requests were not taken off', { ...order, problem });
  }
  let tally = await undoTargets();
  if (hasRouter && tally.failed + tally.cancelled === 0) {
    const problem = await routeTraffic(run, { ...order, place: { kind: 'restore' } });
    if (problem !== null) tally = addTallies(tally, notRestored(layout, problem));
  }
  if (own === undefined && layout !== undefined) await close(course, order);
  return tally;
}

function notRestored({ router }: RolloutLayout, reason: Reason): MatrixTally {
  return { ...EMPTY_TALLY, failed: 1, reasons: [{ key: `router ${router ?? ''}`, reason }] };
}

/** The run that it was of is gone. One that has ended by itself keeps its end: the record refuses this one. */
async function close(
  { run, ending }: CourseRun,
  order: { readonly stepId: string; readonly round: number },
): Promise<void> {
  const reason = ending?.reason ??
    run.stopCause?.reason ?? {
      code: 'rollout-abandoned',
      message: 'The run that it belonged to is gone; it was put back.',
    };
  try {
    await CancellationScope.nonCancellable(() =>
      positions.recordRollout({
        promotion: run.input.promotion,
        ...order,
        at: { state: 'failed', stage: 0, phase: 'held', reason },
      }),
    );
  } catch (error) {
    const meaning = meaningOfFailure(error, 'record', `Rollout of step ${order.stepId}`, 0);
    if (meaning === undefined) throw error;
    log.info('a rollout had ended by itself', { ...order, meaning });
  }
}
