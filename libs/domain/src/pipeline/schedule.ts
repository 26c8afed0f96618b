import { DomainError, type Refusal } from '../domain-error.ts';
import { type PipelineResult, type PipelineStops, pipelineEnding } from './pipeline-ending.ts';
import { type ScheduledStep, scheduleGraph } from './schedule-graph.ts';
import type { ScheduleCircumstances, StepSkip } from './schedule-readiness.ts';
import { obstacleToRequeue, type RequeuedStep, sendBack } from './schedule-requeue.ts';
import { type StepSettlement, settledAs } from './schedule-settlement.ts';
import {
  readSnapshot,
  SCHEDULE_SNAPSHOT_SCHEMA,
  type SchedulePhase,
  type ScheduleSnapshot,
  writeStandings,
} from './schedule-snapshot.ts';
import { ScheduleState } from './schedule-state.ts';
import type { PipelineTrouble } from './step-decision.ts';
import { PENDING_STEP, type SettledStep, type StepStanding } from './step-outcome.ts';

export type { RequeuedStep } from './schedule-requeue.ts';

/** How a schedule is made. */
export interface ScheduleOptions {
  /** True when absent. */
  readonly failFast?: boolean;
}

/** What is to be done now, in the pipeline's order. What is not done stays listed, unless the run is stopped meanwhile. */
export interface DueSteps {
  /** Subject to their `if`: that it is false is told by `skip`. */
  readonly run: readonly string[];
  readonly skip: readonly StepSkip[];
}

/**
 * The order of a pipeline's steps: told what began and how it ended, it knows what comes next. It has no clock and no chance: the same
 * calls give the same answers. A settled step costs as much as it has edges, whatever the number of steps; a halt, a cancellation and the
 * beginning of the finale each look at every step once.
 *
 * A phase ends by itself, within the call that settled its last step: once nothing runs in it and nothing is due.
 */
export class Schedule {
  readonly #state: ScheduleState;

  /** @throws DomainError as `scheduleGraph` */
  constructor(steps: readonly ScheduledStep[], { failFast = true }: ScheduleOptions = {}) {
    this.#state = new ScheduleState(scheduleGraph(steps, failFast), failFast);
    this.#advance();
  }

  /**
   * The schedule that wrote the snapshot.
   * @throws DomainError as the constructor, `snapshot-unreadable`, `snapshot-foreign`
   */
  static restore(
    steps: readonly ScheduledStep[],
    options: ScheduleOptions,
    snapshot: ScheduleSnapshot,
  ): Schedule {
    const schedule = new Schedule(steps, options);
    const state = schedule.#state;
    state.takeOver(snapshot, readSnapshot(snapshot, state.graph));
    return schedule;
  }

  /** `ended` once every step is settled. */
  get phase(): SchedulePhase {
    return this.#state.phase;
  }

  /** From 1; grows with each requeueing. */
  get round(): number {
    return this.#state.round;
  }

  /** What stopped the whole promotion. */
  get stops(): PipelineStops {
    return this.#state.stops;
  }

  /** What has gone wrong in the ordinary phase. */
  get trouble(): PipelineTrouble {
    return this.#state.trouble;
  }

  /** What decisions depend on besides the standings: for `readyFrom`. */
  get circumstances(): ScheduleCircumstances {
    return this.#state.circumstances;
  }

  /** Steps and edges looked at so far: what its cost is measured by. */
  get operations(): number {
    return this.#state.operations;
  }

  /** @throws DomainError `step-unknown` */
  standingOf(id: string): StepStanding {
    return this.#state.standings[this.#state.indexOf(id)] ?? PENDING_STEP;
  }

  /** By id, in the pipeline's order. */
  standings(): ReadonlyMap<string, StepStanding> {
    const { graph, standings } = this.#state;
    return new Map(graph.nodes.map(({ id }, index) => [id, standings[index] ?? PENDING_STEP]));
  }

  /** Ids of the steps that have begun and are not settled, in the pipeline's order. */
  running(): readonly string[] {
    return this.#state.idsOf(this.#state.running.list());
  }

  /** What is to be done now; at most so many of each kind. */
  due(limit?: number): DueSteps {
    const state = this.#state;
    const [run, skip] = [state.toRun.list(limit), state.toSkip.list(limit)];
    state.operations += run.length + skip.length;
    return { run: state.idsOf(run), skip: skip.map((index) => state.skipOf(index)) };
  }

  /** Ids of the steps that are due to run, one at a time: a few of many cost little. Tell the schedule nothing meanwhile. */
  dueToRun(): IterableIterator<string> {
    return this.#state.listToRun();
  }

  /**
   * A step that is due to run has begun.
   * @returns the round, by which its end is told from that of an attempt that was sent back
   * @throws DomainError `step-unknown`, `step-not-due`
   */
  begin(id: string): number {
    const index = this.#state.indexOf(id);
    if (!this.#state.toRun.has(index)) throw this.#notDue(id, 'begin');
    this.#state.stand(index, { state: 'running' });
    return this.#state.round;
  }

  /**
   * A step that is due is skipped: one that is to be skipped for the reason that is known, one that is to run because its `if` is false.
   * @throws DomainError `step-unknown`, `step-not-due`
   */
  skip(id: string): StepSkip {
    const index = this.#state.indexOf(id);
    const { toRun, toSkip } = this.#state;
    if (!toRun.has(index) && !toSkip.has(index)) throw this.#notDue(id, 'be skipped');
    const skip = this.#state.skipOf(index);
    this.#settle(index, { state: 'skipped', cause: skip.cause });
    return skip;
  }

  /** Skips all that is due to be skipped, and what follows from it, and tells what it was, in the order of doing. */
  settleSkips(): readonly StepSkip[] {
    const { toSkip } = this.#state;
    const skips: StepSkip[] = [];
    for (let at = toSkip.next(0); at >= 0; at = toSkip.next(0)) {
      skips.push(this.skip(this.#state.node(at).id));
    }
    return skips;
  }

  /**
   * A running step has ended; or one that was due to run has failed before it could begin.
   * @param round in which it began, as `begin` told; for one that never began, the present one
   * @throws DomainError `step-unknown`, `step-round-over` for what was sent back meanwhile, `step-not-running`
   */
  settle(id: string, settlement: StepSettlement, round: number): void {
    const state = this.#state;
    const index = this.#state.indexOf(id);
    if (!state.isCurrent(index, round)) {
      const message = `Step ${id} did not begin in round ${round}, or was sent back since: its end in that round counts for nothing, leave it out.`;
      throw new DomainError('step-round-over', message);
    }
    const hasBegun = state.running.has(index);
    if (!hasBegun && !(state.toRun.has(index) && settlement.outcome === 'failed')) {
      const message = `Step ${id} is ${this.standingOf(id).state} and cannot end as ${settlement.outcome}: begin it when it is due.`;
      throw new DomainError('step-not-running', message);
    }
    if (state.phase === 'ordinary') {
      const { compensate } = state.node(index);
      if (compensate && (settlement.hadEffects ?? hasBegun)) state.effects.push(index);
      const denies = settlement.outcome === 'failed' && settlement.denies === true;
      if (denies) state.stop({ denied: true });
    }
    this.#settle(index, settledAs(settlement, state.node(index).continueOnFailure));
  }

  /**
   * The promotion is cancelled: what runs is settled as it ends.
   * @returns false when that comes too late, because the ordinary phase is over
   */
  cancel(): boolean {
    return this.#stop({ cancelled: true });
  }

  /**
   * The promotion is denied, or has run out of time.
   * @returns false when that comes too late, because the ordinary phase is over
   */
  halt(cause: 'denied' | 'outOfTime'): boolean {
    return this.#stop(cause === 'denied' ? { denied: true } : { outOfTime: true });
  }

  /**
   * Why these steps cannot go back to pending, or null when they can.
   * @throws DomainError `step-unknown`
   */
  requeueObstacle(steps: readonly RequeuedStep[]): Refusal | null {
    return obstacleToRequeue(this.#state, steps);
  }

  /**
   * Sends steps back to pending, running ones too: what they were based on holds no more. All that needs one of them and is not pending
   * must be among them, and of a running one whose effects would be put back it must be known that it had none. Begins the next round.
   * @throws DomainError `step-unknown`, or with the code that `requeueObstacle` tells
   */
  requeue(steps: readonly RequeuedStep[]): void {
    const obstacle = this.requeueObstacle(steps);
    if (obstacle !== null) throw new DomainError(obstacle.code, obstacle.message);
    sendBack(this.#state, steps);
    this.#advance();
  }

  /** Steps whose effects are to be put back now, the one that ended last first; empty but in the phase `compensation`. */
  compensationsDue(limit?: number): readonly string[] {
    const { phase, effects } = this.#state;
    if (phase !== 'compensation') return [];
    const from = limit === undefined ? 0 : Math.max(0, effects.length - limit);
    return this.#state.idsOf(effects.slice(from).reverse());
  }

  /**
   * What the first of `compensationsDue` did was put back, so that it is `reverted`; or it could not be, and the step stays as it is.
   * @throws DomainError `step-unknown`, `compensation-not-due`
   */
  settleCompensation(id: string, isPutBack: boolean): void {
    const { phase, effects } = this.#state;
    const index = this.#state.indexOf(id);
    if (phase !== 'compensation' || effects.at(-1) !== index) {
      const message = `Step ${id} is not the next to be put back: take the first of those that are due.`;
      throw new DomainError('compensation-not-due', message);
    }
    effects.pop();
    if (isPutBack) this.#state.stand(index, { state: 'reverted' });
    this.#advance();
  }

  /** How the pipeline ended; before its end, how it would if nothing more went wrong. */
  result(): PipelineResult {
    return pipelineEnding(this.#state.graph.nodes, this.standings(), this.stops);
  }

  /** Everything that is needed to go on elsewhere. */
  snapshot(): ScheduleSnapshot {
    const { graph, phase, round, stops, standings, effects, requeued } = this.#state;
    return {
      schema: SCHEDULE_SNAPSHOT_SCHEMA,
      fingerprint: graph.fingerprint,
      phase,
      round,
      stops,
      standings: writeStandings(standings),
      effects: [...effects],
      requeued: [...requeued].sort(([a], [b]) => a - b),
    };
  }

  #settle(index: number, settled: SettledStep): void {
    const inFinale = this.#state.phase === 'finale';
    this.#state.stand(index, inFinale ? { ...settled, inFinale } : settled);
    this.#advance();
  }

  #stop(stops: Partial<PipelineStops>): boolean {
    if (this.#state.phase !== 'ordinary') return false;
    this.#state.stop(stops);
    this.#advance();
    return true;
  }

  /** Enters the next phases while the present one has nothing left to do. */
  #advance(): void {
    const state = this.#state;
    const isIdle = (): boolean =>
      state.running.size + state.toRun.size + state.toSkip.size === 0 && state.phase !== 'ended';
    while (isIdle()) {
      const isUnhappy = state.trouble !== 'none' && state.trouble !== 'tolerated';
      const isOwing = isUnhappy && state.effects.length > 0;
      if (state.phase === 'finale') state.enter('ended');
      else if (!isOwing) state.enter('finale');
      else if (state.phase === 'ordinary') state.enter('compensation');
      else return;
    }
  }

  #notDue(id: string, what: string): DomainError {
    const { state } = this.standingOf(id);
    const message = `Step ${id} is ${state} and cannot ${what} in phase ${this.phase}: take one that is due.`;
    return new DomainError('step-not-due', message);
  }
}
