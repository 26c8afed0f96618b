import { DomainError } from '../domain-error.ts';
import type { PipelineStops } from './pipeline-ending.ts';
import type { ScheduleGraph, ScheduleNode } from './schedule-graph.ts';
import { IndexSet } from './schedule-index-set.ts';
import {
  decideNow,
  needsStandingOf,
  type ScheduleCircumstances,
  type StepSkip,
  troubleOf,
} from './schedule-readiness.ts';
import type { SchedulePhase, ScheduleSnapshot } from './schedule-snapshot.ts';
import type { PipelineTrouble, StepDecision } from './step-decision.ts';
import { isSettled, needStandingOf, PENDING_STEP, type StepStanding } from './step-outcome.ts';

/**
 * What a `Schedule` knows, kept up to date with every change: how the needs of each step stand, and with that what is due. A change costs
 * as much as the step has edges; that the run is stopped or enters another phase looks at every step once.
 */
export class ScheduleState {
  readonly graph: ScheduleGraph;
  readonly failFast: boolean;
  readonly standings: StepStanding[];
  readonly toRun: IndexSet;
  readonly toSkip: IndexSet;
  readonly running: IndexSet;
  /** Positions of steps whose effects would be put back, the last end last. */
  readonly effects: number[] = [];
  /** By position, for steps that went back to pending: the round that began with it. */
  readonly requeued = new Map<number, number>();
  round = 1;
  /** Steps and edges looked at so far. */
  operations = 0;
  #phase: SchedulePhase = 'ordinary';
  #stops: PipelineStops = { cancelled: false, denied: false, outOfTime: false };
  #trouble: PipelineTrouble = 'none';
  /** Of each step, how many of its needs stand so. */
  readonly #needs: Readonly<Record<'open' | 'bad' | 'tolerated' | 'clear', number[]>>;
  /** How many steps of the ordinary phase stand so. */
  readonly #steps = { open: 0, bad: 0, tolerated: 0, clear: 0 };

  constructor(graph: ScheduleGraph, failFast: boolean) {
    const { nodes } = graph;
    const zeros = (): number[] => nodes.map(() => 0);
    this.graph = graph;
    this.failFast = failFast;
    this.standings = nodes.map(() => PENDING_STEP);
    this.toRun = new IndexSet(nodes.length);
    this.toSkip = new IndexSet(nodes.length);
    this.running = new IndexSet(nodes.length);
    const open = nodes.map(({ needs }) => needs.length);
    this.#needs = { open, bad: zeros(), tolerated: zeros(), clear: zeros() };
    this.reconsiderAll();
  }

  get phase(): SchedulePhase {
    return this.#phase;
  }

  get stops(): PipelineStops {
    return this.#stops;
  }

  get trouble(): PipelineTrouble {
    return this.#trouble;
  }

  get circumstances(): ScheduleCircumstances {
    const { cancelled, denied, outOfTime } = this.#stops;
    return { phase: this.#phase, failFast: this.failFast, cancelled, halted: denied || outOfTime };
  }

  /** True when nothing new begins before the finale. */
  get isStopped(): boolean {
    return this.#trouble === 'halted' || this.#trouble === 'cancelled';
  }

  /**
   * Where the step of this id stands in the pipeline's order.
   * @throws DomainError `step-unknown`
   */
  indexOf(id: string): number {
    const index = this.graph.indexes.get(id);
    if (index !== undefined) return index;
    throw new DomainError('step-unknown', `The pipeline has no step ${id}: name one that it has.`);
  }

  /** True when the step at this position was not sent back after the round. */
  isCurrent(index: number, round: number): boolean {
    return round >= (this.requeued.get(index) ?? 1) && round <= this.round;
  }

  /** Makes a new state the one that the snapshot tells of. */
  takeOver(snapshot: ScheduleSnapshot, standings: readonly StepStanding[]): void {
    for (const [index, standing] of standings.entries()) this.stand(index, standing);
    const { cancelled, denied, outOfTime } = snapshot.stops;
    this.stop({ cancelled, denied, outOfTime });
    this.effects.push(...snapshot.effects);
    this.round = snapshot.round;
    for (const [index, round] of snapshot.requeued) this.requeued.set(index, round);
    this.enter(snapshot.phase);
  }

  /** The step at a position that is known to be one. */
  node(index: number): ScheduleNode {
    const node = this.graph.nodes[index];
    if (node === undefined) throw new RangeError(`No step at position ${index}.`);
    return node;
  }

  idsOf(indexes: readonly number[]): readonly string[] {
    return indexes.map((index) => this.node(index).id);
  }

  /** Ids of the steps that are due to run, in the pipeline's order, found one at a time. */
  *listToRun(): IterableIterator<string> {
    for (let at = this.toRun.next(0); at >= 0; at = this.toRun.next(at + 1)) {
      this.operations += 1;
      yield this.node(at).id;
    }
  }

  enter(phase: SchedulePhase): void {
    this.#phase = phase;
    this.reconsiderAll();
  }

  stop(stops: Partial<PipelineStops>): void {
    this.#stops = { ...this.#stops, ...stops };
    if (this.#troubleHasChanged()) this.reconsiderAll();
  }

  /** The step at this position stands so from now on. */
  stand(index: number, next: StepStanding): void {
    const before = this.standings[index] ?? PENDING_STEP;
    this.standings[index] = next;
    if (next.state === 'running') this.running.add(index);
    else this.running.delete(index);
    this.#count(before, -1);
    this.#count(next, 1);
    const [from, to] = [needStandingOf(before), needStandingOf(next)];
    const { dependents } = this.node(index);
    const touched = from === to ? [] : dependents;
    for (const dependent of touched) {
      this.operations += 1;
      this.#needs[from][dependent] = (this.#needs[from][dependent] ?? 0) - 1;
      this.#needs[to][dependent] = (this.#needs[to][dependent] ?? 0) + 1;
    }
    if (this.#troubleHasChanged()) this.reconsiderAll();
    else for (const changed of [index, ...touched]) this.#reconsider(changed);
  }

  reconsiderAll(): void {
    for (let index = 0; index < this.standings.length; index += 1) this.#reconsider(index);
  }

  /** Why the step at this position is skipped, if that is done now. */
  skipOf(index: number): StepSkip {
    const { id, needs } = this.node(index);
    const decision = this.#decide(index);
    if (decision.do !== 'skip') return { id, cause: 'own-will', code: 'if-false', because: null };
    const { cause, code } = decision;
    if (code !== 'need-bad') return { id, cause, code, because: null };
    const isBad = (need: number): boolean => {
      this.operations += 1;
      return needStandingOf(this.standings[need] ?? PENDING_STEP) === 'bad';
    };
    const because = needs.find(isBad);
    return { id, cause, code, because: because === undefined ? null : this.node(because).id };
  }

  #decide(index: number): StepDecision {
    const { when, needs } = this.node(index);
    const { open, bad, tolerated } = this.#needs;
    const together = needsStandingOf({
      all: needs.length,
      open: open[index] ?? 0,
      bad: bad[index] ?? 0,
      tolerated: tolerated[index] ?? 0,
    });
    return decideNow(when, this.#phase, this.#trouble, together);
  }

  #reconsider(index: number): void {
    this.operations += 1;
    const isPending = this.standings[index]?.state === 'pending';
    const kind = isPending ? this.#decide(index).do : 'wait';
    if (kind === 'run') this.toRun.add(index);
    else this.toRun.delete(index);
    if (kind === 'skip') this.toSkip.add(index);
    else this.toSkip.delete(index);
  }

  #count(standing: StepStanding, by: 1 | -1): void {
    if (isSettled(standing) && standing.inFinale === true) return;
    this.#steps[needStandingOf(standing)] += by;
  }

  /** True when decisions of steps without an edge to the change may have changed. */
  #troubleHasChanged(): boolean {
    const before = this.isStopped ? this.#trouble : 'going';
    this.#trouble = troubleOf(this.#steps.bad, this.#steps.tolerated, this.circumstances);
    return before !== (this.isStopped ? this.#trouble : 'going');
  }
}
