import type { MatrixMember, PromotionRef, Reason } from '@sluice/temporal-contract';
import { MAX_SHARD_REASONS, MAX_SHARD_VALUES, MAX_STEPS_A_RECORD } from '@sluice/temporal-contract';
import { CancellationScope, log } from '@temporalio/workflow';
import { meaningOfFailure } from '../failure-reason.ts';
import { mapBounded } from '../map-bounded.ts';
import { members as records } from './course-activities.ts';
import type { MatrixTally, MemberReason } from './matrix-outcome.ts';
import type { ExecutionEnd } from './member-execution.ts';
import { sizeOfValues } from './size-of-values.ts';

/** A member whose own activity could not say what became of it. */
export interface MemberToRecord {
  readonly index: number;
  readonly outcome: 'failed' | 'cancelled' | 'skipped';
  readonly reason: Reason;
}

/** How members are run, and which records they have. */
export interface MembersRun {
  readonly promotion: PromotionRef;
  readonly stepId: string;
  readonly round: number;
  /** At a time. */
  readonly limit: number;
  /** After a failure no other member begins. */
  readonly failFast: boolean;
  /** Members that never began are left for later: neither recorded nor counted. */
  readonly leavesRest?: boolean;
  /** Of the members that never began. */
  readonly skipReason: () => Reason;
  /** True when no further member may begin. */
  isStopped(): boolean;
  /** A member did not succeed. */
  onFailure?(): void;
  execute(member: MatrixMember): Promise<ExecutionEnd>;
}

/** Runs members, records those that could not do it themselves, and counts them. */
export async function runMembers(
  members: readonly MatrixMember[],
  run: MembersRun,
): Promise<MatrixTally> {
  const ends = new Map<number, ExecutionEnd>();
  let hasFailed = false;
  await mapBounded(
    members,
    run.limit,
    async (member) => {
      if (run.isStopped()) return;
      const end = await run.execute(member);
      if (run.leavesRest === true && end.isLeft === true) return;
      ends.set(member.index, end);
      if (end.outcome === 'succeeded') return;
      hasFailed = true;
      run.onFailure?.();
    },
    () => run.isStopped() || (run.failFast && hasFailed),
  );
  const begun = run.leavesRest === true ? members.filter(({ index }) => ends.has(index)) : members;
  await recordThrown(begun, ends, run);
  const notBegun = run.leavesRest === true ? members.filter(({ index }) => !ends.has(index)) : [];
  const left = notBegun.map(({ index }) => index);
  return { ...tallyOf(begun, ends), ...(left.length === 0 ? {} : { left }) };
}

async function recordThrown(
  members: readonly MatrixMember[],
  ends: ReadonlyMap<number, ExecutionEnd>,
  run: MembersRun,
): Promise<void> {
  const skipReason = run.skipReason();
  const toRecord = members.flatMap(({ index }): readonly MemberToRecord[] => {
    const end = ends.get(index);
    if (end === undefined) return [{ index, outcome: 'skipped', reason: skipReason }];
    if (!end.thrown) return [];
    const outcome = end.outcome === 'cancelled' ? 'cancelled' : 'failed';
    return [{ index, outcome, reason: end.reason ?? skipReason }];
  });
  await recordMembers(run, toRecord);
}

/** Stores what became of members. A cancellation does not interrupt it; a refusal says that a member's own word was faster. */
export async function recordMembers(
  { promotion, stepId, round }: Pick<MembersRun, 'promotion' | 'stepId' | 'round'>,
  members: readonly MemberToRecord[],
): Promise<void> {
  for (let from = 0; from < members.length; from += MAX_STEPS_A_RECORD) {
    const some = members.slice(from, from + MAX_STEPS_A_RECORD);
    try {
      await CancellationScope.nonCancellable(() =>
        records.recordMembers({
          promotion,
          stepId,
          ...(round === 1 ? {} : { round }),
          members: some,
        }),
      );
    } catch (error) {
      const meaning = meaningOfFailure(error, 'record', `Members of step ${stepId}`, 0);
      if (meaning === undefined) throw error;
      log.warn('members were not recorded', { stepId, count: some.length, meaning });
    }
  }
}

function tallyOf(
  members: readonly MatrixMember[],
  ends: ReadonlyMap<number, ExecutionEnd>,
): MatrixTally {
  const counts = { succeeded: 0, failed: 0, denied: 0, cancelled: 0, skipped: 0 };
  let refused = 0;
  const reasons: MemberReason[] = [];
  const values = new Map<number, ExecutionEnd['values']>();
  let bytes = 0;
  for (const { index, key } of members) {
    const end = ends.get(index);
    const outcome = end?.outcome ?? 'skipped';
    const size = end === undefined ? 0 : sizeOfValues(end.values);
    bytes += size;
    const isTooLarge = size > 0 && bytes > MAX_SHARD_VALUES;
    counts[isTooLarge ? 'failed' : outcome] += 1;
    if (end !== undefined && isRefusal(end)) refused += 1;
    if (size > 0 && !isTooLarge) values.set(index, end?.values ?? {});
    const reason = isTooLarge ? TOO_LARGE : (end?.reason ?? null);
    if (reason !== null && reasons.length < MAX_SHARD_REASONS) reasons.push({ key, reason });
  }
  return { ...counts, refused, reasons, values };
}

/** The agent found something else active than the plan says, before it touched anything. */
function isRefusal({ thrown, reason }: ExecutionEnd): boolean {
  return !thrown && reason?.code === 'plan-stale';
}

const TOO_LARGE: Reason = {
  code: 'outputs-too-large',
  message: `What conditions read of the members is more than ${MAX_SHARD_VALUES} bytes: give less, or by digest.`,
};
