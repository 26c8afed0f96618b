import { isDeployment, isRollout } from '@sluice/domain';
import type { MatrixMember, Reason, StepResult } from '@sluice/temporal-contract';
import { MAX_SHARD_REASONS } from '@sluice/temporal-contract';
import { revertWithin } from '../activity-classes.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import { mapBounded } from '../map-bounded.ts';
import { compensationWithin } from './course-activities.ts';
import { EMPTY_TALLY, type MatrixTally } from './matrix-outcome.ts';
import { type Execution, inputOf } from './member-execution.ts';

/** What is put back, and within which time. */
export interface Undoing extends Omit<Execution, 'isStopped'> {
  /** Of one compensation. */
  readonly timeoutSeconds: number;
  /** It is not known in which round the step began: in the newest one that the records have. */
  readonly newestRound?: true;
}

/** True for what an agent puts back by a command of its own. */
export function isRevertedByAgents(type: Undoing['type']): boolean {
  return isDeployment(type);
}

/** Puts members back, and counts them: `cancelled` where that was interrupted. All come to their end, also when one fails. */
export async function undoMembers(
  undoing: Undoing,
  members: readonly MatrixMember[],
  limit: number,
): Promise<MatrixTally> {
  const ends = await mapBounded(members, limit, async (member) => ({
    key: member.key,
    end: await undo(undoing, member),
  }));
  const counts = { succeeded: 0, skipped: 0, failed: 0, cancelled: 0 };
  for (const { end } of ends) counts[end.kind] += 1;
  const told = ends.flatMap(({ key, end }) =>
    'reason' in end ? [{ key, reason: end.reason }] : [],
  );
  return { ...EMPTY_TALLY, ...counts, reasons: told.slice(0, MAX_SHARD_REASONS) };
}

/** What came of putting one execution back; `skipped` is one that never began. */
export type ExecutionUndone =
  | { readonly kind: 'succeeded' | 'skipped' }
  | { readonly kind: 'failed' | 'cancelled'; readonly reason: Reason };

/** Puts back one execution; never throws for an outcome. */
export async function undo(undoing: Undoing, member?: MatrixMember): Promise<ExecutionUndone> {
  const what = `Compensation of step ${undoing.stepId}${member === undefined ? '' : ` for ${member.key}`}`;
  try {
    const { outcome, reason, untouched } = await undoOnce(undoing, member);
    if (outcome === 'succeeded') return { kind: untouched === true ? 'skipped' : 'succeeded' };
    const message = `${what} failed without a reason; see its log.`;
    return { kind: 'failed', reason: reason ?? { code: 'compensation-failed', message } };
  } catch (error) {
    const meaning = meaningOfFailure(error, 'compensation', what, undoing.timeoutSeconds);
    if (meaning === undefined) throw error;
    if (meaning.kind !== 'cancelled') return { kind: 'failed', reason: meaning.reason };
    const reason = { code: 'compensation-cancelled', message: `${what} was cancelled.` };
    return { kind: 'cancelled', reason };
  }
}

function undoOnce(undoing: Undoing, member: MatrixMember | undefined): Promise<StepResult> {
  const { type, promotion, timeoutSeconds, traceparent, newestRound } = undoing;
  if (!isRevertedByAgents(type) || member === undefined) {
    const input =
      newestRound === undefined
        ? inputOf(undoing, member)
        : { ...inputOf({ ...undoing, round: 1 }, member), newestRound };
    const isMember = member !== undefined;
    return compensationWithin(undoing, timeoutSeconds, isMember).compensateStep(input);
  }
  return revertWithin(timeoutSeconds).revertTarget({ promotion, target: member.key, traceparent });
}

/** Members whose target a deployment was dispatched to, whatever came of it. */
export function touchedMembers(
  members: readonly MatrixMember[],
  deployed: readonly string[],
): readonly MatrixMember[] {
  const targets = new Set(deployed);
  return members.filter(({ key }) => targets.has(key));
}

/** Of a rollout those that had the new version last go first. */
export function inOrderOfUndoing(
  type: Undoing['type'],
  members: readonly MatrixMember[],
): readonly MatrixMember[] {
  return isRollout(type) ? [...members].reverse() : members;
}
