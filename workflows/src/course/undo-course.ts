import { type CourseStep, isRollout } from '@sluice/domain';
import type { Reason, UndoingState } from '@sluice/temporal-contract';
import { CancellationScope } from '@temporalio/workflow';
import { records } from '../activity-classes.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import type { SettledEnding } from '../revert-targets.ts';
import { undoRollout } from '../rollout/undo-rollout.ts';
import { hearWhoTookLease } from '../settle-ending.ts';
import { names } from './course-ending.ts';
import { recordSteps } from './course-records.ts';
import { renewWhenDrained, wantsRenewal } from './course-renewal.ts';
import type { CourseRun } from './course-run.ts';
import type { MatrixTally } from './matrix-outcome.ts';
import { runShards } from './matrix-shards.ts';
import { expandIn, listMembers, type Members } from './matrix-step.ts';
import { maxParallelOf } from './parallel-members.ts';
import {
  inOrderOfUndoing,
  isRevertedByAgents,
  touchedMembers,
  type Undoing,
  undo,
  undoMembers,
} from './undo-members.ts';

/** Steps that were not put back, of which the reasons are kept. */
const MAX_REMAINING = 20;

/** Members of one step that are put back at a time. */
const UNDO_PARALLEL = 100;

/** What came of putting one step back. */
export type UndoEnd =
  | { readonly kind: 'put-back' | 'nothing' }
  | { readonly kind: 'remains'; readonly reason: Reason };

/**
 * Puts back what was done, the step that ended last first, one after the other. Only a rollback that takes the lease interrupts it: what
 * is left by then stays, and is told.
 */
export async function undoCourse(course: CourseRun): Promise<void> {
  const { run, schedule } = course;
  run.compensation = new CancellationScope();
  const scope = run.compensation;
  course.undoing ??= NOTHING_UNDONE;
  for (let [id] = schedule.compensationsDue(1); id !== undefined; ) {
    if (wantsRenewal(course)) await renewWhenDrained(course);
    const step = course.getStep(id);
    const end = await scope.run(() => undoStep(course, step));
    await tell(course, step, end);
    schedule.settleCompensation(id, end.kind === 'put-back');
    course.showOutcome(id);
    course.begunHere += 1;
    [id] = schedule.compensationsDue(1);
  }
}

/** Counts what came of it, and records it. A step that was not put back keeps its outcome, and says what is to be done. */
export async function tell(course: CourseRun, step: CourseStep, end: UndoEnd): Promise<void> {
  const { run } = course;
  const { state, reason } = run.getStep(step.id);
  noteUndone(course, step, end);
  if (end.kind === 'put-back') {
    const why = reason ?? course.ending?.reason ?? null;
    await recordSteps(run, [{ stepId: step.id, state: 'reverted', reason: why }]);
  }
  if (end.kind === 'remains') {
    await recordSteps(run, [{ stepId: step.id, state, reason: end.reason }]);
  }
}

/** Counts what came of putting one step back. */
function noteUndone(course: CourseRun, { id }: CourseStep, end: UndoEnd): void {
  const { putBack, remaining, remainingCount } = course.undoing ?? NOTHING_UNDONE;
  if (end.kind === 'put-back') {
    course.undoing = { putBack: putBack + 1, remaining, remainingCount };
  }
  if (end.kind === 'remains') {
    const told = [...remaining, { stepId: id, reason: end.reason }].slice(0, MAX_REMAINING);
    course.undoing = { putBack, remaining: told, remainingCount: remainingCount + 1 };
  }
}

/** Before anything was. */
export const NOTHING_UNDONE: UndoingState = { putBack: 0, remaining: [], remainingCount: 0 };

/**
 * Puts one step back: all of its executions, or of a deployment those targets that it was dispatched to; in its group, where it has one.
 * What touches no target is not interrupted once it has begun: half put back would be worse for whoever took the lease.
 * @param newestRound set where it is not known in which round the step began
 */
export async function undoStep(
  course: CourseRun,
  step: CourseStep,
  newestRound?: true,
): Promise<UndoEnd> {
  const { run, groups } = course;
  if (run.supersededBy !== undefined) return remains(step, run.supersession().message);
  const undoing = undoingOf(course, step, newestRound);
  const { concurrencyGroup: group, changesTargets } = step;
  try {
    const problem = group === undefined ? null : await groups.enter(group);
    if (problem !== null) return remains(step, problem.message);
    try {
      const act = (): Promise<UndoEnd> => undoWhole(course, step, undoing);
      return await (changesTargets === true ? act() : CancellationScope.nonCancellable(act));
    } finally {
      if (group !== undefined) await groups.leave(group);
    }
  } catch (error) {
    const what = `Compensation of step ${step.id}`;
    const meaning = meaningOfFailure(error, 'compensation', what, undoing.timeoutSeconds);
    if (meaning === undefined) throw error;
    const message = `${what} was cancelled.`;
    return remains(step, meaning.kind === 'cancelled' ? message : meaning.reason.message);
  }
}

async function undoWhole(course: CourseRun, step: CourseStep, undoing: Undoing): Promise<UndoEnd> {
  if (step.matrix === undefined) {
    const end = await undo(undoing);
    if ('reason' in end) return remains(step, end.reason.message);
    return { kind: end.kind === 'skipped' ? 'nothing' : 'put-back' };
  }
  const tally = await undoExecutions(course, step, undoing);
  if (tally === null) return { kind: 'nothing' };
  const bad = tally.failed + tally.cancelled;
  if (bad === 0) return { kind: tally.succeeded === 0 ? 'nothing' : 'put-back' };
  const shown = tally.reasons.map(({ key, reason }) => `${key}: ${reason.message}`);
  return remains(step, `${bad} of its executions were not. ${shown.join(' ')}`);
}

function remains({ id, changesTargets }: CourseStep, message: string): UndoEnd {
  const byHand =
    changesTargets === true
      ? 'Look at what runs on its targets, then roll the environment back.'
      : 'Look at what it did, and put it back by hand.';
  return {
    kind: 'remains',
    reason: {
      code: 'compensation-failed',
      message: `Step ${id} was not put back: ${message} ${byHand}`,
    },
  };
}

function undoingOf(
  { run, rules, rounds }: CourseRun,
  step: CourseStep,
  newestRound: true | undefined,
): Undoing {
  return {
    ...(newestRound === undefined ? {} : { newestRound }),
    promotion: run.input.promotion,
    stepId: step.id,
    type: step.type,
    ...(step.queue === undefined ? {} : { queue: step.queue }),
    timeoutSeconds: step.compensationSeconds ?? rules.deadlines.revertSeconds,
    retry: step.retry,
    round: rounds.get(step.id) ?? 1,
    isOverTargets: false,
    wants: [],
    releaseDigest: rules.releaseDigest,
    rulesDigest: rules.rulesDigest,
    traceparent: run.input.traceparent,
  };
}

/** Of a matrix. @returns null when there is nothing to put back */
async function undoExecutions(
  course: CourseRun,
  step: CourseStep,
  undoing: Undoing,
): Promise<MatrixTally | null> {
  const { run } = course;
  const isByAgents = isRevertedByAgents(step.type);
  const deployed = isByAgents
    ? await records.listDeployments({ promotion: run.input.promotion })
    : [];
  // Requests may have been moved before anything was deployed.
  if (isByAgents && deployed.length === 0 && !isRollout(step.type)) return null;
  const { promotion, newestRound } = undoing;
  const expanded = await (newestRound === undefined
    ? expandIn(course, step.id, undoing.round)
    : records.expandMatrix({ promotion, stepId: step.id, newestRound }));
  if (expanded.count === 0) return null;
  const limit = Math.min(maxParallelOf(step), UNDO_PARALLEL);
  const { isOverTargets, round = undoing.round } = expanded;
  const whole = { ...undoing, round, isOverTargets };
  const members = listMembers(expanded);
  const undoTargets = (): Promise<MatrixTally> => {
    if (members === undefined) return undoInShards(course, step, whole, expanded);
    const touched = isByAgents ? touchedMembers(members, deployed) : members;
    return undoMembers(whole, inOrderOfUndoing(step.type, touched), limit);
  };
  if (isRollout(step.type)) return undoRollout(course, step, whole, expanded, undoTargets);
  return undoTargets();
}

function undoInShards(
  course: CourseRun,
  step: CourseStep,
  undoing: Undoing,
  expanded: Members,
): Promise<MatrixTally> {
  const execution = { ...undoing, isStopped: () => course.run.supersededBy !== undefined };
  return runShards(course, step, execution, expanded, 'compensate');
}

/** What is sealed, once all that could be put back was. Targets that stay may be a rollback's by now: it is given time to say so. */
export async function concludeUndo(
  course: CourseRun,
  ending: SettledEnding,
): Promise<SettledEnding> {
  const hasTargetsLeft = course.undoing?.remaining.some(
    ({ stepId }) => course.getStep(stepId).changesTargets === true,
  );
  if (hasTargetsLeft === true) await hearWhoTookLease(course.run);
  return endingAfterUndo(course, ending);
}

/** What would be sealed now. */
export function endingAfterUndo({ run, undoing }: CourseRun, ending: SettledEnding): SettledEnding {
  const { putBack, remaining, remainingCount } = undoing ?? NOTHING_UNDONE;
  const what = names(
    remaining.map(({ stepId }) => stepId),
    remainingCount,
  );
  if (run.supersededBy !== undefined) {
    const { code, message } = run.supersession();
    const left = remainingCount === 0 ? '' : ` Not put back: ${what}.`;
    return { state: 'cancelled', reason: { code, message: message + left } };
  }
  if (remainingCount > 0) {
    const details = remaining.slice(0, 5).map(({ reason }) => reason.message);
    const began = `It began with: ${ending.reason?.code ?? ending.state}: ${ending.reason?.message ?? ''}`;
    const message = [`Not put back: ${what}. A person must look at this.`, ...details, began];
    return { state: 'failed', reason: { code: 'compensation-failed', message: message.join(' ') } };
  }
  if (putBack === 0 || ending.state === 'cancelled') return ending;
  return { state: 'reverted', reason: ending.reason };
}
