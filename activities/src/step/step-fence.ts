import { isCurrentAttempt, withTenant } from '@sluice/persistence';
import type { ActivityScope } from '../activity-scope.ts';
import { endedBefore, placeOf } from './attempt-count.ts';
import type { BegunRun, StepFrameParts } from './run-step.ts';

/** Between looks at the records while an effect is at work. Milliseconds. */
const LOOK_MS = 5000;

/**
 * Runs an execution that ends when it must not go on: somebody has ended its step, or another attempt of it has begun. The engine tells that to a
 * worker that it reaches; one that is cut off from it sees it here, by the records, from the moment that its effect begins. A look that fails
 * ends nothing: the step's own time does.
 * @param counted counts the attempt, and gives its number
 * @param lookMs between looks
 */
export async function withFence<T>(
  { pool }: Pick<StepFrameParts, 'pool'>,
  run: BegunRun,
  counted: () => Promise<number>,
  work: (run: BegunRun) => Promise<T>,
  lookMs: number = LOOK_MS,
): Promise<T> {
  const { input, log } = run;
  const fence = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;
  const look = async (attempt: number): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      const isCurrent = await withTenant(pool, input.promotion.tenantId, (tx) =>
        isCurrentAttempt(tx, placeOf(input), attempt),
      );
      if (isCurrent || timer === undefined) return;
      log.warn({ attempt }, 'the step has ended, or another attempt has begun: this one is ended');
      fence.abort(endedBefore(input));
    } catch (error) {
      log.warn({ err: error }, 'the records could not be asked whether the step still runs');
    } finally {
      isLooking = false;
    }
  };
  const beginEffect = async (): Promise<void> => {
    const attempt = await counted();
    timer ??= setInterval(() => void look(attempt), lookMs);
  };
  const scope: ActivityScope = {
    ...run.scope,
    cancellation: AbortSignal.any([run.scope.cancellation, fence.signal]),
  };
  try {
    const result = await work({ ...run, scope, beginEffect });
    fence.signal.throwIfAborted();
    return result;
  } catch (error) {
    if (fence.signal.aborted && !run.scope.cancellation.aborted) throw fence.signal.reason;
    throw error;
  } finally {
    clearInterval(timer);
    timer = undefined;
  }
}
