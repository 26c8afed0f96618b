import { type CourseStep, isRollout } from '@sluice/domain';
import type { ExpandedMatrix, Reason, RunShardInput, ShardResult } from '@sluice/temporal-contract';
import {
  MAX_SHARD_MEMBERS,
  STOP_SHARD,
  shardWorkflowId,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import {
  ChildWorkflowCancellationType,
  isCancellation,
  log,
  ParentClosePolicy,
  sleep,
  startChild,
} from '@temporalio/workflow';
import { rootMessage } from '../failure-reason.ts';
import type { CourseRun } from './course-run.ts';
import { addTallies, EMPTY_TALLY, type MatrixTally } from './matrix-outcome.ts';
import type { Execution } from './member-execution.ts';
import { maxParallelOf } from './parallel-members.ts';
import { recordMembers } from './run-members.ts';
import { reasonOfSkippedMember } from './skip-reason.ts';

/** Members of one shard at a time that make another shard beside it worth while. */
const MEMBERS_A_LANE = 50;

/** So often and with such pauses a shard is started whose namesake, of a run before a reset, has not ended yet. */
const START_ATTEMPTS = 60;
const START_PAUSE = '5s';

/** Names of errors that say that a shard did not come to its own end, or was never this promotion's. */
const LOST: ReadonlySet<string | undefined> = new Set([
  'ChildWorkflowFailure',
  'WorkflowExecutionAlreadyStartedError',
]);

type ShardHandle = ChildWorkflowHandle<(input: RunShardInput) => Promise<ShardResult>>;

/** Members from an index up to (not including) another. */
export interface MemberRange {
  readonly from: number;
  readonly to: number;
}

/** Some of the members of a range, or all. */
interface ShardOfMembers extends MemberRange {
  readonly only?: readonly number[];
}

/** How a rollout runs members in shards; each of a matrix is what its step says. */
export interface ShardTerms {
  /** Their indices, ascending. */
  readonly members: readonly number[];
  /** Members at a time. */
  readonly limit: number;
  readonly failFast: boolean;
  /** Members that began from here on may be new. */
  onBegun(range: MemberRange): void;
  /** A member did not succeed. */
  onFailed(): void;
  /** These never began, and are left for later: nothing was recorded of them. */
  onLeft(members: readonly number[]): void;
  /** Told how no further member begins. */
  onRunning(stop: () => void): void;
}

/**
 * Runs the members of a matrix in shards, so that no history grows with their number. A cancellation is passed on to every shard and
 * waited for; should this run be closed by force, the engine asks them to end. Members of shards that never began are recorded here.
 */
export async function runShards(
  course: CourseRun,
  step: CourseStep,
  execution: Execution,
  { count, isOverTargets }: Pick<ExpandedMatrix, 'count' | 'isOverTargets'>,
  work: RunShardInput['work'],
  terms?: ShardTerms,
): Promise<MatrixTally> {
  const { matrix } = step;
  const limit = terms?.limit ?? maxParallelOf(step);
  const failFast = terms?.failFast ?? (work === 'execute' && matrix?.failFast === true);
  const shards = shardsOf(terms?.members ?? Array.from({ length: count }, (_, index) => index));
  // What had a rollout last is put back first.
  if (work === 'compensate' && isRollout(step.type)) shards.reverse();
  const lanes = Math.min(shards.length, Math.ceil(limit / MEMBERS_A_LANE));
  const running = new Set<ShardHandle>();
  let isStopped = false;
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    for (const shard of running) tellToStop(shard);
  };
  let next = 0;
  let tally = EMPTY_TALLY;
  const runLane = async (lane: number): Promise<void> => {
    // What does not divide goes to the first lanes, so that all of it is used.
    const share = Math.floor(limit / lanes) + (lane < limit % lanes ? 1 : 0);
    for (let shard = shards[next]; shard !== undefined; shard = shards[next]) {
      if (isStopped || (work === 'execute' && course.isStopped())) return;
      next += 1;
      const input = { ...inputOf(execution), ...shard, work, isOverTargets, failFast };
      const leaves = terms === undefined ? {} : { leavesRest: true as const };
      terms?.onBegun(shard);
      const told = await runOne({ ...input, ...leaves, maxParallel: share }, running, (begun) => {
        // It was told to nobody while this one was being started.
        if (isStopped && terms !== undefined) tellToStop(begun);
      });
      tally = addTallies(tally, told);
      const { left = [] } = told;
      if (left.length > 0) terms?.onLeft(left);
      if (failFast && told.succeeded + left.length < membersOf(shard).length) {
        terms?.onFailed();
        stop();
      }
    }
  };
  if (failFast) {
    course.shardFailures.set(step.id, () => {
      terms?.onFailed();
      stop();
    });
  }
  terms?.onRunning(stop);
  try {
    await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
  } finally {
    course.shardFailures.delete(step.id);
  }
  if (terms === undefined) {
    return addTallies(tally, await skipRest(course, step, execution, shards[next]?.from, count));
  }
  for (const shard of shards.slice(next)) terms.onLeft(membersOf(shard));
  return tally;
}

/** One that has just ended cannot be told, and need not be. */
function tellToStop(shard: ShardHandle): void {
  shard.signal(STOP_SHARD).catch(() => undefined);
}

/** @param members their indices, ascending */
function shardsOf(members: readonly number[]): ShardOfMembers[] {
  const shards: ShardOfMembers[] = [];
  for (let next = 0; next < members.length; ) {
    const from = members[next] as number;
    const only = members
      .slice(next, next + MAX_SHARD_MEMBERS)
      .filter((index) => index < from + MAX_SHARD_MEMBERS);
    const to = (only.at(-1) as number) + 1;
    shards.push({ from, to, ...(only.length === to - from ? {} : { only }) });
    next += only.length;
  }
  return shards;
}

/** Indices of the members of a shard. */
function membersOf({ from, to, only }: ShardOfMembers): readonly number[] {
  return only ?? Array.from({ length: to - from }, (_, at) => from + at);
}

/** An execution without what cannot be sent. */
function inputOf({ isStopped: _isStopped, ...terms }: Execution): Omit<Execution, 'isStopped'> {
  return terms;
}

/** Runs one shard to its end, whatever happens to it. */
async function runOne(
  input: RunShardInput,
  running: Set<ShardHandle>,
  onStarted: (shard: ShardHandle) => void,
): Promise<MatrixTally> {
  const count = membersOf(input).length;
  let shard: ShardHandle | undefined;
  try {
    shard = await start(input);
    running.add(shard);
    onStarted(shard);
    const { values, ...tally } = await shard.result();
    const byIndex = Object.entries(values).map(([index, one]) => [Number(index), one] as const);
    return { ...tally, values: new Map(byIndex) };
  } catch (error) {
    const first = `${input.stepId}[${input.from}]`;
    if (isCancellation(error)) {
      const message = `Members ${input.from} to ${input.to - 1} were cancelled.`;
      const reason = { code: 'step-interrupted', message };
      await recordAll(input, 'cancelled', reason);
      return { ...EMPTY_TALLY, cancelled: count, reasons: [{ key: first, reason }] };
    }
    if (!LOST.has((error as { name?: string }).name)) throw error;
    log.error('a shard was lost', { shard: shard?.workflowId, cause: rootMessage(error) });
    const message = `The shard of members ${input.from} to ${input.to - 1} did not come to its end (${rootMessage(error)}); look at it, then promote again.`;
    const reason: Reason = { code: 'shard-lost', message };
    await recordAll(input, 'failed', reason);
    return { ...EMPTY_TALLY, failed: count, reasons: [{ key: first, reason }] };
  } finally {
    if (shard !== undefined) running.delete(shard);
  }
}

/** Those that said something themselves keep it: the record refuses the rest. */
function recordAll(
  input: RunShardInput,
  outcome: 'failed' | 'cancelled',
  reason: Reason,
): Promise<void> {
  if (input.work === 'compensate') return Promise.resolve();
  const all = membersOf(input).map((index) => ({ index, outcome, reason }));
  return recordMembers(input, all);
}

async function start(input: RunShardInput): Promise<ShardHandle> {
  const { promotion, stepId, round, from, work } = input;
  const id = shardWorkflowId(promotion, stepId, round, from);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startChild(WORKFLOWS.runShard, {
        workflowId: work === 'execute' ? id : `${id}/undo`,
        args: [input],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      });
    } catch (error) {
      const isThere = (error as { name?: string }).name === 'WorkflowExecutionAlreadyStartedError';
      if (!isThere || attempt === START_ATTEMPTS) throw error;
      await sleep(START_PAUSE);
    }
  }
}

async function skipRest(
  course: CourseRun,
  step: CourseStep,
  execution: Execution,
  from: number | undefined,
  count: number,
): Promise<MatrixTally> {
  if (from === undefined) return EMPTY_TALLY;
  const reason = reasonOfSkippedMember(course, step);
  const rest = Array.from({ length: count - from }, (_, at) => from + at);
  const members = rest.map((index) => ({ index, outcome: 'skipped' as const, reason }));
  await recordMembers(execution, members);
  return { ...EMPTY_TALLY, skipped: rest.length, reasons: [{ key: `${from} on`, reason }] };
}
