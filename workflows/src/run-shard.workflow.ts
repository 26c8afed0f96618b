/*
 * runShard runs some members of one step's matrix, or puts them back: a child of the promotion whose step it is, so that no history
 * grows with the number of targets.
 *
 * States: it runs and ends; what became of it is in the records and in its result. It waits for its members' activities, each with its
 * own deadline, and for records as long as it takes.
 * Cancelling: the promotion passes its cancellation on and waits. Members that run end as cancelled, those that never began are recorded
 * as that, and the shard still gives its numbers. The signal `stopShard` says that no further member may begin; those that run come to
 * their end. A failure in a step that is to stop at the first one is told to the promotion at once, by the signal `shardFailed`.
 * Of a rollout (`leavesRest`), what never began because of that signal is left for another shard, and not recorded: it may only be paused.
 * Nor has begun what only waited for a disruption budget by then.
 * Putting targets back is interrupted by nothing but its cancellation, which comes when a rollback has taken the lease; what touches no
 * target is not interrupted.
 */
import type { MatrixMember, RunShardInput, ShardResult } from '@sluice/temporal-contract';
import { SHARD_FAILED, STOP_SHARD } from '@sluice/temporal-contract';
import {
  CancellationScope,
  defineSignal,
  getExternalWorkflowHandle,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { records } from './activity-classes.ts';
import { members as memberRecords } from './course/course-activities.ts';
import type { MatrixTally } from './course/matrix-outcome.ts';
import { execute, interruption } from './course/member-execution.ts';
import { recordMembers, runMembers } from './course/run-members.ts';
import { matrixStopped } from './course/skip-reason.ts';
import {
  inOrderOfUndoing,
  isRevertedByAgents,
  touchedMembers,
  undoMembers,
} from './course/undo-members.ts';
import { meaningOfFailure } from './failure-reason.ts';

const stopShard = defineSignal(STOP_SHARD);

/** Runs the members of one shard to their end and counts them. Every outcome is a result. */
export async function runShard(input: RunShardInput): Promise<ShardResult> {
  let isStopped = false;
  let isCancelled = false;
  setHandler(stopShard, () => {
    isStopped = true;
  });
  CancellationScope.current().cancelRequested.catch(() => {
    isCancelled = true;
  });
  const members = await readMembers(input);
  if (input.work === 'compensate') return toResult(await putBack(input, members));
  const { stepId } = input;
  const what = `Step ${stepId}, members ${input.from} to ${input.to - 1},`;
  const isHeld = input.leavesRest === true ? () => isStopped : undefined;
  const tally = await runMembers(members, {
    promotion: input.promotion,
    stepId,
    round: input.round,
    limit: input.maxParallel,
    failFast: input.failFast,
    ...(input.leavesRest === undefined ? {} : { leavesRest: input.leavesRest }),
    skipReason: () => (isCancelled ? interruption(what) : matrixStopped(stepId)),
    isStopped: () => isStopped || isCancelled,
    onFailure: () => {
      if (!isStopped && input.failFast) tellFailure(stepId);
      isStopped ||= input.failFast;
    },
    execute: (member) => execute({ ...input, isStopped: () => isCancelled }, member, isHeld),
  });
  return toResult(tally);
}

/** Not interrupted: without their keys nobody could say what became of them. */
async function readMembers(input: RunShardInput): Promise<readonly MatrixMember[]> {
  const { promotion, stepId, round, from, to } = input;
  try {
    const keys = await CancellationScope.nonCancellable(() =>
      memberRecords.readMembers({
        promotion,
        stepId,
        ...(round === 1 ? {} : { round }),
        from,
        to,
      }),
    );
    return keys
      .map((key, at) => ({ index: from + at, key }))
      .filter(({ index }) => isOf(input, index));
  } catch (error) {
    const meaning = meaningOfFailure(error, 'members', `Members of step ${stepId}`, 0);
    if (meaning === undefined || meaning.kind === 'cancelled' || input.work === 'compensate') {
      throw error;
    }
    const { reason } = meaning;
    const all = Array.from({ length: to - from }, (_, at) => from + at);
    await recordMembers(
      input,
      all
        .filter((index) => isOf(input, index))
        .map((index) => ({ index, outcome: 'failed', reason })),
    );
    throw error;
  }
}

function isOf({ only }: RunShardInput, index: number): boolean {
  return only === undefined || only.includes(index);
}

async function putBack(
  input: RunShardInput,
  members: readonly MatrixMember[],
): Promise<MatrixTally> {
  if (!isRevertedByAgents(input.type)) return undoMembers(input, members, input.maxParallel);
  const deployed = await records.listDeployments({ promotion: input.promotion });
  const touched = touchedMembers(members, deployed);
  return undoMembers(input, inOrderOfUndoing(input.type, touched), input.maxParallel);
}

/** The promotion stops the other shards; should it be gone, they have been asked to end anyway. */
function tellFailure(stepId: string): void {
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  const promotion = getExternalWorkflowHandle(parent.workflowId, parent.runId);
  promotion.signal(SHARD_FAILED, { stepId }).catch(() => undefined);
}

function toResult({ values, ...counts }: MatrixTally): ShardResult {
  const told = Object.fromEntries([...values].map(([index, one]) => [`${index}`, one]));
  return { ...counts, values: told };
}
