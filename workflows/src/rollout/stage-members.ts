import type { RolloutStage } from '@sluice/domain';
import { condition } from '@temporalio/workflow';
import { addTallies } from '../course/matrix-outcome.ts';
import { type MemberRange, runShards } from '../course/matrix-shards.ts';
import { listMembers } from '../course/matrix-step.ts';
import { execute } from '../course/member-execution.ts';
import { maxParallelOf } from '../course/parallel-members.ts';
import { runMembers } from '../course/run-members.ts';
import { matrixStopped } from '../course/skip-reason.ts';
import type { RolloutFlow } from './rollout-flow.ts';

/**
 * Deploys to the members of a stage, those whose keys the promotion's own workflow has here and all others in shards. After the first
 * failure no further one begins. While the rollout is paused none begins either, and those that are left begin once it goes on.
 * @returns false when a member did not succeed, or the rollout is doomed
 */
export async function deployStage(flow: RolloutFlow, stage: RolloutStage): Promise<boolean> {
  const { rollout, tallies } = flow;
  const { count } = flow.expanded;
  const later = stage.to < count ? [{ from: stage.to, to: count }] : [];
  let open: readonly number[] = Array.from(
    { length: stage.to - stage.from },
    (_, at) => stage.from + at,
  );
  flow.left = [...rangesOf(open), ...later];
  while (open.length > 0) {
    await condition(() => rollout.state !== 'paused' || rollout.doom !== undefined);
    if (rollout.doom !== undefined) break;
    const begin = open;
    open = await rollout.interruptibly('work', () => deployMembers(flow, stage, begin));
    flow.left = [...rangesOf(open), ...later];
    const { failed, cancelled, denied } = tallies.all;
    if (failed + cancelled + denied > 0) return false;
  }
  return rollout.doom === undefined;
}

/**
 * @param indices ascending
 * @returns those that have not begun
 */
async function deployMembers(
  flow: RolloutFlow,
  stage: RolloutStage,
  indices: readonly number[],
): Promise<readonly number[]> {
  const { course, step, execution, expanded, rollout, tallies } = flow;
  const limit = Math.min(stage.maxParallel, maxParallelOf(step));
  const all = listMembers(expanded);
  if (all === undefined) {
    const left: number[] = [];
    const tally = await runShards(course, step, execution, expanded, 'execute', {
      members: indices,
      limit,
      failFast: true,
      onBegun: (range) => {
        rollout.exposed = Math.max(rollout.exposed, range.to);
      },
      onFailed: () => flow.noteFailure(),
      onLeft: (members) => left.push(...members),
      onRunning: (stop) => {
        rollout.stopMembers = stop;
      },
    });
    rollout.stopMembers = undefined;
    tallies.all = addTallies(tallies.all, tally);
    return left.sort((a, b) => a - b);
  }
  let hasFailed = false;
  const isStopped = (): boolean =>
    course.isStopped() || rollout.state === 'paused' || rollout.doom !== undefined;
  const isHeld = (): boolean => isStopped() || hasFailed || rollout.isFailing;
  const wanted = new Set(indices);
  const tally = await runMembers(
    all.filter(({ index }) => wanted.has(index)),
    {
      ...execution,
      limit,
      failFast: true,
      leavesRest: true,
      skipReason: () => matrixStopped(step.id),
      isStopped,
      onFailure: () => {
        hasFailed = true;
        flow.noteFailure();
      },
      execute: async (member) => {
        rollout.exposed = Math.max(rollout.exposed, member.index + 1);
        const end = await execute(execution, member, isHeld);
        const { doom } = rollout;
        return end.outcome === 'cancelled' && doom !== undefined
          ? { ...end, reason: doom.reason }
          : end;
      },
    },
  );
  tallies.all = addTallies(tallies.all, tally);
  return tally.left ?? [];
}

/** Ascending indices as ranges. */
function rangesOf(indices: readonly number[]): readonly MemberRange[] {
  const ranges: MemberRange[] = [];
  for (const index of indices) {
    const last = ranges.at(-1);
    if (last?.to === index) ranges[ranges.length - 1] = { from: last.from, to: index + 1 };
    else ranges.push({ from: index, to: index + 1 });
  }
  return ranges;
}
