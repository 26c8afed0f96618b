import type { RolloutStage, RoutePlace, StagePhase } from '@sluice/domain';
import type { Reason, StageVerdict } from '@sluice/temporal-contract';
import { condition, isCancellation } from '@temporalio/workflow';
import { settleMatrix } from '../course/matrix-outcome.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import { GATE_SECONDS, gates, watchSecondsOf, watchWithin } from './rollout-activities.ts';
import type { RolloutFlow, Trouble } from './rollout-flow.ts';
import type { Doom } from './rollout-run.ts';
import { deployStage } from './stage-members.ts';

/**
 * Runs one stage to where it has held: the policy is asked, its members are deployed, requests are moved, it is watched, and where that is
 * wanted a person is asked. A pause stops it before each of these.
 * @param index of the stage, of the last one where several are run as one
 * @returns why the rollout cannot go on; null when it has held
 * @throws CancelledFailure
 */
export async function runStage(
  flow: RolloutFlow,
  stage: RolloutStage,
  index: number,
): Promise<Doom | null> {
  const { rollout, layout } = flow;
  rollout.stage = index;
  const steps: readonly (() => Promise<Doom | null>)[] = [
    ...(stage.gate ? [() => passGate(flow, index)] : []),
    ...(stage.to > stage.from ? [() => deploy(flow, stage, index)] : []),
    ...(layout.router === null || stage.canaryPermille === null
      ? []
      : [() => move(flow, 'traffic', { kind: 'stage', stage: index })]),
    ...(stage.soakSeconds > 0 ? [() => watch(flow, stage, index)] : []),
  ];
  for (const act of steps) {
    const doom = (await hold(flow)) ?? (await act());
    if (doom !== null) return doom;
  }
  await enter(flow, 'held');
  if (stage.pause && !rollout.isPromoting) {
    const message = `Stage ${stage.name} has held; it waits for a person to resume.`;
    rollout.pause({ code: 'stage-pause', message });
    await flow.records.note();
  }
  return hold(flow);
}

/** Waits while it is paused. @returns why it does not go on */
export async function hold({ rollout }: RolloutFlow): Promise<Doom | null> {
  await condition(() => rollout.state !== 'paused' || rollout.doom !== undefined);
  return rollout.doom ?? null;
}

/**
 * Moves requests until that has been done, or nobody wants it any more.
 * @param isPassable what a person said makes it needless
 */
export async function move(
  flow: RolloutFlow,
  phase: StagePhase,
  place: RoutePlace,
  isPassable: () => boolean = () => false,
): Promise<Doom | null> {
  return untilDone(flow, { phase, isPassable }, async () => {
    const reason = await flow.traffic.move(place);
    return reason === null ? null : { reason, then: flow.layout.onFail };
  });
}

async function enter({ rollout, records }: RolloutFlow, phase: StagePhase): Promise<void> {
  rollout.phase = phase;
  await records.note();
}

/** What a stage does next. */
interface StageWork {
  readonly phase: StagePhase;
  /** True where a person has said what makes it needless. */
  isPassable(): boolean;
}

/**
 * Does something until it is done, or a person has made it needless. What is in its way ends the rollout, or pauses it: after that it is
 * done again. What people do while anything is recorded counts before anything is begun.
 */
async function untilDone(
  flow: RolloutFlow,
  { phase, isPassable }: StageWork,
  act: () => Promise<Trouble | Doom | null>,
): Promise<Doom | null> {
  const { rollout } = flow;
  await enter(flow, phase);
  for (;;) {
    const doom = await hold(flow);
    if (doom !== null) return doom;
    if (isPassable()) return null;
    let trouble: Trouble | Doom | null;
    try {
      trouble = await act();
    } catch (error) {
      // A person's skip or promote, or what has doomed it; the promotion's own cancellation goes on.
      if (!isCancellation(error) || flow.course.isStopped()) throw error;
      if (rollout.doom !== undefined) return rollout.doom;
      if (!isPassable()) throw error;
      return null;
    }
    if (rollout.doom !== undefined) return rollout.doom;
    if (trouble === null) return null;
    if ('kind' in trouble) return trouble;
    const { reason, then, isStuck = false } = trouble;
    if (then === 'revert') return { kind: 'failed', reason };
    rollout.pause(reason, isStuck);
    await flow.records.note();
    if (phase === 'soak') await rest(flow, reason);
  }
}

/** What did not hold gets no requests while a person is asked; where they cannot be taken off, that is shown. */
async function rest({ rollout, traffic, records }: RolloutFlow, reason: Reason): Promise<void> {
  const problem = await traffic.rest();
  if (problem === null || rollout.state !== 'paused') return;
  rollout.addToPause(withTraffic(reason, problem));
  await records.note();
}

/** A reason with why requests still go to the new version. */
export function withTraffic({ code, message }: Reason, problem: Reason): Reason {
  return {
    code,
    message: `${message} Requests could not be taken off the new version (${problem.message}); look at the router.`,
  };
}

function passGate(flow: RolloutFlow, stage: number): Promise<Doom | null> {
  const { course, rollout, layout, execution } = flow;
  if (rollout.isPromoting) return Promise.resolve(null);
  const what = `The policy's answer before stage ${stage} of step ${rollout.ref.stepId}`;
  // Nobody skips a policy that is not to be had.
  const work: StageWork = { phase: 'gate', isPassable: () => rollout.isPromoting };
  return untilDone(flow, work, async () => {
    try {
      const { outcome, reason } = await rollout.interruptibly('work', () =>
        gates.gateStage({
          ...rollout.ref,
          stage,
          scheduledAt: new Date(Date.now()).toISOString(),
          traceparent: execution.traceparent,
        }),
      );
      if (outcome === 'succeeded') return null;
      const told = reason ?? { code: 'gate-failed', message: `${what} has no reason.` };
      if (outcome === 'denied') return { kind: 'denied', reason: told };
      return { reason: told, then: layout.onFail };
    } catch (error) {
      const meaning = meaningOfFailure(error, 'gate', what, GATE_SECONDS);
      if (meaning === undefined || meaning.kind === 'cancelled' || course.isStopped()) throw error;
      return { reason: meaning.reason, then: layout.onFail };
    }
  });
}

async function deploy(flow: RolloutFlow, stage: RolloutStage, index: number): Promise<Doom | null> {
  const { rollout, layout, course, step } = flow;
  if (layout.router !== null && !rollout.isPromoting) {
    rollout.exposed = Math.max(rollout.exposed, stage.to);
    const place = { kind: 'prepare', stage: index } as const;
    const problem = await move(flow, 'deploy', place, () => rollout.isPromoting);
    const doom = problem ?? (await hold(flow));
    if (doom !== null) return doom;
  }
  return untilDone(flow, { phase: 'deploy', isPassable: () => false }, async () => {
    if (await deployStage(flow, stage)) return null;
    if (rollout.doom !== undefined) return rollout.doom;
    const refusal = findRefusal(flow);
    if (refusal !== null) return { kind: 'failed', reason: refusal };
    const { all } = flow.tallies;
    const { reason } = settleMatrix(step.matrix ?? ALL, all);
    const told = reason ?? { code: 'members-failed', message: `Stage ${stage.name} failed.` };
    // What the promotion's own end has cancelled is no failure of a target.
    if (all.cancelled > 0 && all.failed + all.denied === 0) {
      return { kind: 'cancelled', reason: course.run.stopCause?.reason ?? told };
    }
    if (all.denied > 0) return { kind: 'denied', reason: told };
    return { reason: inStage(stage, told), then: layout.onFail, isStuck: true };
  });
}

const ALL = { over: { targets: {} }, maxParallel: 1, failFast: true, policy: 'all' } as const;

async function watch(flow: RolloutFlow, stage: RolloutStage, index: number): Promise<Doom | null> {
  const { rollout, layout } = flow;
  if (rollout.isSkipped()) return null;
  const work: StageWork = { phase: 'soak', isPassable: () => rollout.isSkipped() };
  const doom = await untilDone(flow, work, async () => {
    const unmoved = await flow.traffic.wake(index);
    if (unmoved !== null) return { reason: unmoved, then: layout.onFail };
    const verdict = await lookAt(flow, stage, index);
    if (verdict.outcome === 'pass') return null;
    const then = verdict.outcome === 'fail' ? layout.onFail : layout.onInconclusive;
    const reason = verdict.reason ?? {
      code: `stage-${verdict.outcome}`,
      message: 'No reason was given; look at its analysis.',
    };
    return { reason: inStage(stage, reason), then };
  });
  if (doom !== null || rollout.isPromoting) return doom;
  // Where a person has taken it as held its requests still rest.
  const reason = await flow.traffic.wake(index);
  return reason === null ? null : { kind: 'failed', reason };
}

/** What cannot be watched is inconclusive: nobody knows whether it holds. */
async function lookAt(
  { rollout, course, execution }: RolloutFlow,
  { soakSeconds, name }: RolloutStage,
  stage: number,
): Promise<Pick<StageVerdict, 'outcome' | 'reason'>> {
  const since = new Date(Date.now()).toISOString();
  const { traceparent } = execution;
  try {
    return await rollout.interruptibly('watch', () =>
      watchWithin(soakSeconds).watchStage({ ...rollout.ref, stage, since, traceparent }),
    );
  } catch (error) {
    const what = `Watching of stage ${name}`;
    const meaning = meaningOfFailure(error, 'watch', what, watchSecondsOf(soakSeconds));
    if (meaning === undefined || meaning.kind === 'cancelled' || course.isStopped()) throw error;
    return { outcome: 'inconclusive', reason: meaning.reason };
  }
}

function inStage({ name }: RolloutStage, { code, message }: Reason): Reason {
  return { code, message: `Stage ${name} did not hold: ${message}` };
}

/** Every target that was asked has refused, for something else is active there than the plan says: it can be planned again. */
export function findRefusal({ tallies: { all } }: RolloutFlow): Reason | null {
  const begun = all.succeeded + all.failed + all.denied + all.cancelled;
  return begun > 0 && all.refused === begun ? (all.reasons[0]?.reason ?? null) : null;
}
