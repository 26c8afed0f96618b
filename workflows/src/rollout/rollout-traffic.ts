import type { RoutePlace } from '@sluice/domain';
import type { Reason } from '@sluice/temporal-contract';
import { CancellationScope } from '@temporalio/workflow';
import type { CourseRun } from '../course/course-run.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import type { PromotionRun } from '../promotion-run.ts';
import { TRAFFIC_SECONDS, trafficWithin } from './rollout-activities.ts';
import type { RolloutRun } from './rollout-run.ts';

/** Names one rollout, or of a rollback the step for which a router is asked. */
export interface RouteOrder {
  readonly stepId: string;
  readonly round: number;
  readonly place: RoutePlace;
  /** Of a rollback alone. */
  readonly router?: string;
}

/**
 * Has a router changed. @returns why it was not; null when it was
 * @throws CancelledFailure
 */
export async function routeTraffic(
  { input: { promotion, traceparent } }: PromotionRun,
  { stepId, round, place, router }: RouteOrder,
): Promise<Reason | null> {
  const what = `The change of requests of step ${stepId} (${place.kind})`;
  try {
    const { outcome, reason } = await trafficWithin(TRAFFIC_SECONDS).routeTraffic({
      promotion,
      stepId,
      round,
      place,
      ...(router === undefined ? {} : { router }),
      traceparent,
    });
    if (outcome === 'succeeded') return null;
    return reason ?? { code: 'route-failed', message: `${what} failed without a reason.` };
  } catch (error) {
    const meaning = meaningOfFailure(error, 'route', what, TRAFFIC_SECONDS);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    return meaning.reason;
  }
}

const REVERTING: Reason = {
  code: 'rollout-reverting',
  message: 'The rollout goes back: no requests are moved forward any more.',
};

/** The requests of one rollout. Nothing moves them forward any more once they were taken off. */
export class RolloutTraffic {
  readonly #course: CourseRun;
  readonly #rollout: RolloutRun;
  #hasMoved = false;
  #isResting = false;
  #off: Promise<Reason | null> | undefined = undefined;

  constructor(course: CourseRun, rollout: RolloutRun) {
    this.#course = course;
    this.#rollout = rollout;
  }

  /** Moves requests forward; a person who aborts interrupts it. @throws CancelledFailure */
  move(place: RoutePlace): Promise<Reason | null> {
    const { layout, ref } = this.#rollout;
    if (layout.router === null) return Promise.resolve(null);
    if (this.#off !== undefined) return Promise.resolve(REVERTING);
    this.#hasMoved = true;
    return this.#rollout.interruptibly('work', () =>
      routeTraffic(this.#course.run, { stepId: ref.stepId, round: ref.round, place }),
    );
  }

  /**
   * A stage did not hold, and a person is asked: until they have answered nobody is sent to what may be bad.
   * @returns why requests still go there
   */
  async rest(): Promise<Reason | null> {
    const { layout, exposed } = this.#rollout;
    if (layout.router === null || !this.#hasMoved || this.#off !== undefined) return null;
    this.#isResting = true;
    return this.#route({ kind: 'off', exposed });
  }

  /** Gives a stage its requests again, where they rest. @returns why not @throws CancelledFailure */
  async wake(stage: number): Promise<Reason | null> {
    if (!this.#isResting) return null;
    const reason = await this.move({ kind: 'stage', stage });
    this.#isResting = reason !== null;
    return reason;
  }

  /**
   * Takes all requests off what may be new, at once and once; only a rollback that has the lease interrupts it, for the requests are its own
   * by then. @returns why they were not taken off
   */
  takeOff(): Promise<Reason | null> {
    const { layout, exposed } = this.#rollout;
    const isNeeded = layout.router !== null && (this.#hasMoved || exposed > 0);
    this.#off ??= isNeeded ? this.#route({ kind: 'off', exposed }) : Promise.resolve(null);
    return this.#off;
  }

  /** Nothing was deployed: as before the rollout. @returns why not */
  async giveBack(): Promise<Reason | null> {
    return this.#hasMoved ? this.#route({ kind: 'restore' }) : null;
  }

  #route(place: RoutePlace): Promise<Reason | null> {
    const { run } = this.#course;
    const { stepId, round } = this.#rollout.ref;
    return CancellationScope.nonCancellable(async () => {
      if (run.supersededBy !== undefined) return null;
      run.compensation ??= new CancellationScope();
      try {
        return await run.compensation.run(() => routeTraffic(run, { stepId, round, place }));
      } catch (error) {
        if (run.supersededBy === undefined) throw error;
        return null;
      }
    });
  }
}
