import { FAILURES } from '@sluice/temporal-contract';
import { failureTypeOf, isActivityFailure } from './failure-reason.ts';

/** The longest wait for a disruption budget where nothing else is said. Seconds. */
export const BUDGET_WAIT_SECONDS = 1800;

/**
 * True where an execution failed only because a disruption budget kept it waiting for most of its deadline: it is to be scheduled again, with
 * a deadline of its own, so that waiting takes nothing of the time that the agent has. No older history has such a failure; and no
 * promise stands around the execution, for one more would change the order of commands of those histories.
 * @param until end of the longest wait, in milliseconds of the workflow's time
 */
export function waitsForBudget(error: unknown, until: number, isStopped: () => boolean): boolean {
  return isWithoutRoom(error) && !isStopped() && Date.now() < until;
}

/** True where a disruption budget had no room all the time: nothing was sent to the target. */
export function isWithoutRoom(error: unknown): boolean {
  return isActivityFailure(error) && failureTypeOf(error) === FAILURES.budgetExhausted;
}
