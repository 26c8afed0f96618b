import type { LeaseAnswer, Reason } from '@sluice/temporal-contract';
import { groupLease } from '@sluice/temporal-contract';
import { CancellationScope, condition, log } from '@temporalio/workflow';
import { controlWithin, records } from '../activity-classes.ts';
import { meaningOfFailure } from '../failure-reason.ts';
import type { CourseRun } from './course-run.ts';

/** The signal wakes the waiter; this often it asks by itself, should the signal be lost. */
const POLLS_PER_DEADLINE = 60;

/** Steps of this promotion that are in their group, or wait for it: one at a time asks for the lease. */
export class GroupLanes {
  readonly #holders = new Set<string>();
  readonly #course: CourseRun;

  constructor(course: CourseRun) {
    this.#course = course;
  }

  /**
   * Waits until the step may run as the only one of its group, in this promotion and in all of the tenant.
   * @param stepId shown as waiting meanwhile; absent for one that has ended and is put back
   * @returns null when it may, otherwise why it may not
   */
  async enter(group: string, stepId?: string): Promise<Reason | null> {
    // Several may be woken at once: each looks again.
    while (this.#holders.has(group)) await condition(() => !this.#holders.has(group));
    this.#holders.add(group);
    try {
      const problem = await holdGroup(this.#course, group, stepId);
      if (problem !== null) await this.leave(group);
      return problem;
    } catch (error) {
      await this.leave(group);
      throw error;
    }
  }

  /** Gives the group to the next, or the place in its queue back; whatever was cancelled. */
  async leave(group: string): Promise<void> {
    const { promotion } = this.#course.run.input;
    try {
      await CancellationScope.nonCancellable(() =>
        records.releaseLease({ promotion, resource: groupLease(group) }),
      );
    } catch (error) {
      const meaning = meaningOfFailure(error, 'release-group', `Group ${group}`, 0);
      if (meaning === undefined) throw error;
      log.error('the lease of a group was not given back', { group, meaning });
    } finally {
      this.#holders.delete(group);
    }
  }
}

async function holdGroup(
  { run, rules, grants }: CourseRun,
  group: string,
  stepId: string | undefined,
): Promise<Reason | null> {
  const { promotion } = run.input;
  const { queueSeconds } = rules.deadlines;
  const resource = groupLease(group);
  const until = Date.now() + queueSeconds * 1000;
  const pollMs = Math.max(1000, (queueSeconds * 1000) / POLLS_PER_DEADLINE);
  let holder = 'another promotion';
  for (;;) {
    const remaining = until - Date.now();
    if (remaining <= 0) return groupDeadline(group, queueSeconds, holder);
    const seen = grants.get(resource) ?? 0;
    let answer: LeaseAnswer;
    try {
      const within = Math.ceil(remaining / 1000);
      answer = await controlWithin(within).takeLease({ promotion, resource });
    } catch (error) {
      const meaning = meaningOfFailure(error, 'group', `Group ${group}`, queueSeconds);
      if (meaning === undefined || meaning.kind === 'cancelled') throw error;
      return meaning.reason;
    }
    if (answer.state === 'granted') return null;
    holder = answer.holder;
    const message = `Waits for group ${group}: ${holder} is in it.`;
    if (stepId !== undefined) run.setStep(stepId, 'waiting', { code: 'group-busy', message });
    const pause = Math.min(pollMs, until - Date.now());
    if (pause > 0) await condition(() => (grants.get(resource) ?? 0) > seen, pause);
  }
}

function groupDeadline(group: string, seconds: number, holder: string): Reason {
  return {
    code: 'group-deadline-exceeded',
    message:
      `Group ${group} did not become free within ${seconds} s: ${holder} is in it. ` +
      'End that promotion or wait for it, then promote again.',
  };
}
