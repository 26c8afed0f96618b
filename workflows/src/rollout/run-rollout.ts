import type { CourseStep, RolloutLayout, RolloutStage, RolloutState } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import type { CourseRun } from '../course/course-run.ts';
import { EMPTY_TALLY, valuesOfMembers } from '../course/matrix-outcome.ts';
import type { MatrixEnd, Members } from '../course/matrix-step.ts';
import { type Execution, interruption } from '../course/member-execution.ts';
import { type MemberToRecord, recordMembers } from '../course/run-members.ts';
import { isActivityFailure } from '../failure-reason.ts';
import type { RolloutFlow } from './rollout-flow.ts';
import { RolloutRecords } from './rollout-records.ts';
import { type Doom, RolloutRun } from './rollout-run.ts';
import { RolloutTraffic } from './rollout-traffic.ts';
import { findRefusal, move, runStage, withTraffic } from './run-stage.ts';

/**
 * Runs a step of type `rollout@1`: its stages one after the other, each of which must hold before the next. Whatever keeps it from its end,
 * requests go off what is new first, at once; then the step ends, and the course puts the targets back. Only its record is left to write.
 */
export async function runRollout(
  course: CourseRun,
  step: CourseStep,
  execution: Execution,
  expanded: Members,
  layout: RolloutLayout,
): Promise<MatrixEnd> {
  const flow = openFlow(course, step, execution, expanded, layout);
  const { rollout, tallies } = flow;
  course.rollouts.set(step.id, flow);
  CancellationScope.current().cancelRequested.catch(() => rollout.end(interrupted(flow)));
  const doom = await runToEnd(flow);
  if (doom !== null) rollout.end(doom);
  if (rollout.doom !== undefined) return concludeBadly(flow, rollout.doom);
  rollout.close('completed', null);
  await flow.records.note();
  const values = valuesOfMembers(tallies.all.values, expanded.count);
  if (!course.hasRoomFor(values)) {
    const message = `What conditions read of the members of step ${step.id} is too much to keep: give less, or by digest.`;
    const reason = { code: 'outputs-too-large', message };
    return { settlement: { outcome: 'failed' }, reason, values: {}, refusal: null };
  }
  return { settlement: { outcome: 'succeeded' }, reason: null, values, refusal: null };
}

function openFlow(
  course: CourseRun,
  step: CourseStep,
  execution: Execution,
  expanded: Members,
  layout: RolloutLayout,
): RolloutFlow {
  const { run, rules } = course;
  const { promotion, round, stepId } = execution;
  const rollout = new RolloutRun({ promotion, stepId, round }, layout, {
    onPaused: (isSame) => {
      // What people take to decide is not the promotion's time.
      run.clock?.pause();
      run.showState('waiting');
      run.work.run(() => expirePause(rollout, layout, isSame)).catch(() => undefined);
    },
    onResumed: () => {
      run.work.run(async () => run.clock?.resume()).catch(() => undefined);
      run.showState('running');
    },
    onDoomed: () => void traffic.takeOff(),
  });
  const traffic = new RolloutTraffic(course, rollout);
  return {
    course,
    step,
    execution: {
      ...execution,
      isOverTargets: expanded.isOverTargets,
      waitSeconds: rules.deadlines.queueSeconds,
    },
    expanded,
    layout,
    rollout,
    traffic,
    records: new RolloutRecords(rollout),
    tallies: { all: EMPTY_TALLY },
    left: [{ from: 0, to: expanded.count }],
    noteFailure: () => {
      if (layout.onFail !== 'revert') return;
      rollout.isFailing = true;
      void traffic.takeOff();
    },
  };
}

/** A pause that nobody ends is an abort. */
async function expirePause(
  rollout: RolloutRun,
  { pauseSeconds }: RolloutLayout,
  isSame: () => boolean,
): Promise<void> {
  if (await condition(() => !isSame(), `${pauseSeconds}s`)) return;
  const message = `It was paused for ${pauseSeconds} s, and nobody let it go on. Look at why it paused, then promote again.`;
  rollout.end({ kind: 'aborted', reason: { code: 'rollout-pause-expired', message } });
}

/** @returns why it does not come to its end; null when all of it holds */
async function runToEnd(flow: RolloutFlow): Promise<Doom | null> {
  const { course, rollout, layout } = flow;
  try {
    for (let next = 0; next < layout.stages.length; ) {
      const isWhole = rollout.isPromoting && layout.strategy !== 'blue-green';
      const last = isWhole ? layout.stages.length - 1 : next;
      const doom = await runStage(flow, stageFrom(flow, next, isWhole), last);
      if (doom !== null) return doom;
      next = last + 1;
    }
    return layout.router === null ? null : await move(flow, 'held', { kind: 'final' });
  } catch (error) {
    const isStopped = course.isStopped() && isActivityFailure(error);
    if (!isCancellation(error) && !isStopped) throw error;
    return interrupted(flow);
  }
}

/** The stage at an index; with `isWhole` it and all after it at once, unwatched. */
function stageFrom({ layout, rollout }: RolloutFlow, at: number, isWhole: boolean): RolloutStage {
  const { stages } = layout;
  const stage = stages[at] as RolloutStage;
  const last = stages.at(-1) as RolloutStage;
  if (!rollout.isPromoting) return stage;
  const plain = { ...stage, soakSeconds: 0, gate: false, pause: false };
  if (!isWhole) return plain;
  const size = last.to - stage.from;
  return { ...plain, to: last.to, maxParallel: Math.max(1, size), canaryPermille: null };
}

function interrupted({ course, step }: RolloutFlow): Doom {
  const reason = course.run.stopCause?.reason ?? interruption(`Step ${step.id}`);
  return { kind: 'cancelled', reason };
}

const STATES = {
  failed: 'failed',
  denied: 'failed',
  aborted: 'aborted',
  cancelled: 'cancelled',
} as const satisfies Readonly<Record<Doom['kind'], RolloutState>>;

/** Nothing here is interrupted; requests go first. */
async function concludeBadly(flow: RolloutFlow, doom: Doom): Promise<MatrixEnd> {
  const refusal = doom.kind === 'failed' ? findRefusal(flow) : null;
  const reason = await CancellationScope.nonCancellable(async () => {
    const problem = await flow.traffic.takeOff();
    const told = problem === null ? doom.reason : withTraffic(doom.reason, problem);
    if (refusal !== null) await flow.traffic.giveBack();
    await recordRest(flow, told);
    flow.rollout.close(STATES[doom.kind], told);
    await flow.records.note();
    return told;
  });
  const ended = { reason, values: {}, refusal };
  if (doom.kind === 'cancelled') return { ...ended, settlement: { outcome: 'cancelled' } };
  const denies = doom.kind === 'denied';
  return { ...ended, settlement: { outcome: 'failed', ...(denies ? { denies } : {}) } };
}

/** Members whose turn never came. */
async function recordRest({ left, execution }: RolloutFlow, { code }: Reason): Promise<void> {
  const message = `The rollout ended before its turn came (${code}).`;
  const reason = { code: 'rollout-ended-before', message };
  const members = left.flatMap(({ from, to }) =>
    Array.from({ length: to - from }, (_, at): MemberToRecord => {
      return { index: from + at, outcome: 'skipped', reason };
    }),
  );
  if (members.length > 0) await recordMembers(execution, members);
}
