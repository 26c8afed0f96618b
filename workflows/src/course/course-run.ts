import type { Course, CourseStep, JsonValue, StepSettlement } from '@sluice/domain';
import { isSettled, Schedule } from '@sluice/domain';
import type { PipelineScope, SettledStepValues } from '@sluice/pure';
import type { CourseState, FrozenRules, Reason, UndoingState } from '@sluice/temporal-contract';
import { MAX_COURSE_VALUES } from '@sluice/temporal-contract';
import type { Ending } from '../interpret-pipeline.ts';
import type { PromotionRun } from '../promotion-run.ts';
import type { SteeredRollout } from '../rollout/rollout-flow.ts';
import { GroupLanes } from './group-lease.ts';
import { sizeOfValues } from './size-of-values.ts';
import { reasonOfSkip } from './skip-reason.ts';

/** Reasons of bad steps that are kept: the promotion's own reason is made of them. */
const MAX_REASONS = 20;

/** What the interpreter knows about a promotion of form 3 beside its {@link PromotionRun}; lives and is replayed with the workflow. */
export class CourseRun {
  readonly run: PromotionRun;
  readonly course: Course;
  readonly schedule: Schedule;
  readonly steps: ReadonlyMap<string, CourseStep>;
  /** Rounds of the steps that run. */
  readonly begun = new Map<string, number>();
  /** Steps that run or are about to, with what each weighs among all that is in flight. */
  readonly inFlight = new Map<string, number>();
  /** Steps that have begun and have not executed anything yet: they can still be sent back. */
  readonly inert = new Set<string>();
  /** Rounds in which steps began whose effects would be put back. */
  readonly rounds = new Map<string, number>();
  /** Of steps that ended badly in the ordinary phase, in the order of their ends. */
  readonly troubles: { readonly stepId: string; readonly reason: Reason }[] = [];
  /** Work of the steps in flight that threw what is no outcome: a bug. */
  bug: Error | undefined = undefined;
  /** Grows whenever something happened that the loop must look at. */
  wakes = 0;
  /** What conditions have cost since the loop last paused. */
  conditionCost = 0;
  /** Steps that this run has begun. */
  begunHere = 0;
  /** How the ordinary phase ended. */
  ending: Ending | undefined = undefined;
  undoing: UndoingState | undefined = undefined;
  /** Rollouts of the steps that this run has begun. */
  readonly rollouts = new Map<string, SteeredRollout>();
  /** Told when a shard has seen a failure, by step. */
  readonly shardFailures = new Map<string, () => void>();
  /** Words of `leaseGranted`, by resource. */
  readonly grants = new Map<string, number>();
  readonly groups = new GroupLanes(this);
  /** Set while a step takes the environment's lease or asks people: one at a time. */
  readonly busy = new Set<'lease' | 'approval'>();
  /** While a stale plan sends steps back nothing begins, and no stop is looked at. */
  isReplanning = false;
  /** How a step that finds the plan stale begins the next round. */
  planAgain: (step: CourseStep, reason: Reason, refused: boolean) => Promise<Reason | null> =
    neverPlanned;
  /** A step of this promotion has made its release. */
  hasMadeRelease = false;
  readonly #settled: Record<string, SettledStepValues> = {};
  readonly #values = new Map<string, Readonly<Record<string, JsonValue>>>();
  #valuesSize = 0;

  /** @throws DomainError as `Schedule`, when its steps do not hang together, or the snapshot is of others */
  constructor(run: PromotionRun, course: Course, resume: CourseState | undefined) {
    this.run = run;
    this.course = course;
    this.steps = new Map(course.steps.map((step) => [step.id, step]));
    const steps = course.steps.map((step) => ({ ...step, compensate: step.compensate === true }));
    const options = { failFast: course.failFast };
    this.schedule =
      resume === undefined
        ? new Schedule(steps, options)
        : Schedule.restore(steps, options, resume.schedule);
    if (resume !== undefined) this.#takeOver(resume);
  }

  /** The rules, with the release that a step of this promotion may have made. */
  get rules(): FrozenRules {
    if (this.run.rules === undefined) throw new Error('A course runs by rules.');
    return this.run.rules;
  }

  getStep(id: string): CourseStep {
    const step = this.steps.get(id);
    if (step === undefined) throw new Error(`The course has no step ${id}.`);
    return step;
  }

  /** Nothing that is begun now would come to its own end. Not so in the finale: nothing interrupts that. */
  isStopped(): boolean {
    return this.schedule.phase === 'ordinary' && this.run.stopCause !== undefined;
  }

  /** Tells the schedule what stopped the promotion; too late once the ordinary phase is over. */
  applyStop(): void {
    const { stopCause } = this.run;
    const { cancelled, outOfTime } = this.schedule.stops;
    if (stopCause === undefined || cancelled || outOfTime) return;
    if (stopCause.state === 'cancelled') this.schedule.cancel();
    else this.schedule.halt('outOfTime');
  }

  /** The lease row stays the truth: the waiter asks again. */
  noteGrant(resource: string): void {
    this.grants.set(resource, (this.grants.get(resource) ?? 0) + 1);
  }

  /** What all steps in flight weigh together. */
  weight(): number {
    return [...this.inFlight.values()].reduce((sum, one) => sum + one, 0);
  }

  /** The step begins; undefined when it may not any more. */
  begin(step: CourseStep): number | undefined {
    const round = unlessNotDue(() => this.schedule.begin(step.id));
    if (round === undefined) return undefined;
    this.begun.set(step.id, round);
    this.inert.add(step.id);
    this.begunHere += 1;
    if (step.compensate === true) this.rounds.set(step.id, round);
    this.run.setStep(step.id, 'running', null);
    return round;
  }

  /** The step is skipped by its own will, and why; undefined when it is not due any more. */
  skip(step: CourseStep, code: string, message: string): Reason | undefined {
    const skip = unlessNotDue(() => this.schedule.skip(step.id));
    if (skip === undefined) return undefined;
    this.showOutcome(step.id);
    return skip.code === 'if-false' ? { code, message } : reasonOfSkip(skip);
  }

  /** False when the step was sent back since it began in this round. */
  isCurrent(id: string, round: number): boolean {
    return this.begun.get(id) === round;
  }

  /** The step has ended; what its record says was written before, so that those after it find it. */
  settle(
    id: string,
    round: number,
    settlement: StepSettlement,
    reason: Reason | null,
    values: Readonly<Record<string, JsonValue>> = {},
  ): void {
    const inOrdinary = this.schedule.phase === 'ordinary';
    this.wakes += 1;
    this.begun.delete(id);
    this.inert.delete(id);
    this.#keepValues(id, values);
    this.schedule.settle(id, settlement, round);
    this.showOutcome(id);
    if (settlement.outcome === 'failed' && settlement.denies === true && reason !== null) {
      this.run.denial ??= reason;
    }
    const standing = this.schedule.standingOf(id);
    const isTolerated = 'tolerated' in standing && standing.tolerated;
    if (!inOrdinary || isTolerated || settlement.outcome === 'succeeded') return;
    if (reason !== null && this.troubles.length < MAX_REASONS) {
      this.troubles.push({ stepId: id, reason });
    }
  }

  /** What conditions read of the step follows what it is now. */
  showOutcome(id: string): void {
    const standing = this.schedule.standingOf(id);
    if (!isSettled(standing)) delete this.#settled[id];
    else this.#settled[id] = { outcome: standing.state, outputs: this.#values.get(id) ?? {} };
  }

  /** True when so much more may be kept for conditions. */
  hasRoomFor(values: Readonly<Record<string, JsonValue>>): boolean {
    return this.#valuesSize + sizeOfValues(values) <= MAX_COURSE_VALUES;
  }

  /** What was sent back is forgotten. */
  forget(id: string): void {
    this.begun.delete(id);
    this.inert.delete(id);
    this.rounds.delete(id);
    this.#keepValues(id, {});
    this.showOutcome(id);
  }

  /** A step has made the release that all steps after it are about. */
  adoptRelease({ release, name, version }: Readonly<Record<string, JsonValue>>): void {
    const { rules } = this;
    if (typeof release !== 'string') return;
    this.hasMadeRelease = true;
    const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');
    const made = { id: release, name: text(name), version: text(version) };
    const facts = rules.facts === undefined ? {} : { facts: { ...rules.facts, release: made } };
    this.run.rules = { ...rules, releaseDigest: release, ...facts };
  }

  /** What conditions and inputs of control steps read. */
  scope(): PipelineScope {
    const { facts, parameters = {} } = this.rules;
    return {
      steps: this.#settled,
      parameters,
      promotion: facts?.promotion ?? {},
      release: facts?.release ?? {},
      environment: facts?.environment ?? {},
    };
  }

  /** What the next run takes over; only while nothing runs. */
  state(): Pick<
    CourseState,
    'schedule' | 'values' | 'plans' | 'rounds' | 'reasons' | 'ending' | 'undoing'
  > {
    const plans = [...this.run.outputs].flatMap(([id, { plan }]) =>
      plan === undefined ? [] : [[id, plan] as const],
    );
    return {
      schedule: this.schedule.snapshot(),
      values: Object.fromEntries(this.#values),
      plans: Object.fromEntries(plans),
      rounds: Object.fromEntries([...this.rounds].filter(([_id, round]) => round > 1)),
      reasons: this.troubles,
      ...(this.ending === undefined ? {} : { ending: this.ending }),
      ...(this.undoing === undefined ? {} : { undoing: this.undoing }),
    };
  }

  #takeOver(resume: CourseState): void {
    for (const [id, values] of Object.entries(resume.values)) this.#keepValues(id, values);
    for (const [id, plan] of Object.entries(resume.plans)) this.run.outputs.set(id, { plan });
    for (const [id, round] of Object.entries(resume.rounds)) this.rounds.set(id, round);
    this.troubles.push(...resume.reasons);
    if (resume.release !== undefined) {
      const { id, name, version } = resume.release;
      this.adoptRelease({ release: id, name, version });
    }
    this.ending = resume.ending;
    this.undoing = resume.undoing;
    const reasons = new Map(resume.reasons.map(({ stepId, reason }) => [stepId, reason]));
    for (const [id, { state }] of this.schedule.standings()) {
      this.run.setStep(id, state, reasons.get(id) ?? null);
      this.showOutcome(id);
    }
  }

  #keepValues(id: string, values: Readonly<Record<string, JsonValue>>): void {
    this.#valuesSize += sizeOfValues(values) - sizeOfValues(this.#values.get(id) ?? {});
    if (Object.keys(values).length === 0) this.#values.delete(id);
    else this.#values.set(id, values);
  }
}

function neverPlanned(): Promise<Reason | null> {
  return Promise.reject(new Error('Nobody has said how to plan again.'));
}

/** Undefined where the schedule says that the step is not due, for the promotion was stopped meanwhile. */
function unlessNotDue<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if ((error as { code?: string }).code === 'step-not-due') return undefined;
    throw error;
  }
}
