import type { CourseStep, JsonValue, StepSettlement } from '@sluice/domain';
import type { ExpandedMatrix, MatrixMember, Reason } from '@sluice/temporal-contract';
import { records } from '../activity-classes.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import type { CourseRun } from './course-run.ts';
import { type MatrixTally, settleMatrix, valuesOfMembers } from './matrix-outcome.ts';
import { runShards } from './matrix-shards.ts';
import { type Execution, execute } from './member-execution.ts';
import { maxParallelOf } from './parallel-members.ts';
import { runMembers } from './run-members.ts';
import { reasonOfSkippedMember } from './skip-reason.ts';

/** A step's matrix, as the records have it. */
export type Members = ExpandedMatrix;

/** It is that of this round. */
export interface ExpandedStep extends ExpandedMatrix {
  readonly round: number;
}

/** How a matrix ended. */
export interface MatrixEnd {
  readonly settlement: StepSettlement;
  readonly reason: Reason | null;
  readonly values: Readonly<Record<string, JsonValue>>;
  /** Every target refused, for something else is active there than the plan says: none was touched. */
  readonly refusal: Reason | null;
}

/**
 * Finds the members of a step that has not begun. Asked again when another round begins meanwhile.
 * @returns why there are none to be had; null when the promotion was stopped
 */
export async function expand(
  course: CourseRun,
  step: CourseStep,
): Promise<ExpandedStep | Reason | null> {
  const { run } = course;
  for (;;) {
    const { round } = run;
    try {
      const expanded = await expandIn(course, step.id, round);
      if (run.round === round) return { ...expanded, round };
    } catch (error) {
      const what = `Matrix of step ${step.id}`;
      const meaning = meaningOfFailure(error, 'matrix', what, 0);
      if (meaning === undefined) throw error;
      return meaning.kind === 'cancelled' || course.isStopped() ? null : meaning.reason;
    }
  }
}

/** The members that a step has in a round; asked again it is the same answer. */
export function expandIn({ run }: CourseRun, stepId: string, round: number): Promise<Members> {
  const { promotion } = run.input;
  return records.expandMatrix({ promotion, stepId, ...(round === 1 ? {} : { round }) });
}

/** The members that the root runs itself: those whose keys came along. */
export function listMembers({ keys }: Members): readonly MatrixMember[] | undefined {
  return keys?.map((key, index) => ({ index, key }));
}

/** Runs all members, here or in shards, and says how the step ends. Only its record is left to write. */
export async function runMatrix(
  course: CourseRun,
  step: CourseStep,
  execution: Execution,
  expanded: Members,
): Promise<MatrixEnd> {
  const { matrix } = step;
  if (matrix === undefined) throw new Error(`Step ${step.id} has no matrix.`);
  const members = listMembers(expanded);
  const whole: Execution = { ...execution, isOverTargets: expanded.isOverTargets };
  let tally: MatrixTally;
  if (members === undefined) {
    tally = await runShards(course, step, whole, expanded, 'execute');
  } else {
    tally = await runMembers(members, {
      ...execution,
      limit: maxParallelOf(step),
      failFast: matrix.failFast,
      skipReason: () => reasonOfSkippedMember(course, step),
      isStopped: () => course.isStopped(),
      execute: (member) => execute(whole, member),
    });
  }
  const values = valuesOfMembers(tally.values, expanded.count);
  const isRefused = tally.refused === expanded.count;
  const refusal = isRefused ? (tally.reasons[0]?.reason ?? null) : null;
  if (!course.hasRoomFor(values)) {
    const message = `What conditions read of the members of step ${step.id} is too much to keep: give less, or by digest.`;
    const reason = { code: 'outputs-too-large', message };
    return { settlement: { outcome: 'failed' }, reason, values: {}, refusal: null };
  }
  const { settlement, reason } = settleMatrix(matrix, tally);
  const stop = settlement.outcome === 'cancelled' ? course.run.stopCause?.reason : undefined;
  return { settlement, reason: stop ?? reason, values, refusal };
}
