import { CompleteAsyncError, Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { pause } from './waiting.ts';

/** Functions by name; what a worker is given. */
// biome-ignore lint: any argument list, as the SDK's own activity type has it
type Activities = object;

/** Names the nth call of an activity, counted from 1: `executeStep 3`. */
export type CallName = `${string} ${number}`;

/** One call, or the first attempt of each. */
export type FaultyCall = CallName | 'each';

/** What is done to the activities of one run. */
export type ActivityFault =
  /** Retryable; after its effect only the answer is lost. */
  | { readonly kind: 'fail'; readonly call: FaultyCall; readonly when: 'before' | 'after' }
  /** Its answer comes when the engine has given the attempt up; its effect before it, or only then, beside the retry's. */
  | { readonly kind: 'time out'; readonly call: FaultyCall; readonly effect: 'early' | 'late' }
  /** The effect is done, the answer is lost, and it is done again. */
  | { readonly kind: 'twice' }
  /** Each answer comes so much later: the run stands at each of its events for a while. */
  | { readonly kind: 'slow'; readonly answerAfterMs: number }
  /** Something happens when this call begins (its effect is done then); its answer follows at once, or later. */
  | {
      readonly kind: 'meanwhile';
      readonly call: CallName;
      readonly happens: () => Promise<void>;
      readonly answerAfterMs: number;
    };

/** Longer than any attempt of the harness. */
const OUTLAST_ATTEMPT_MS = 3200;

/**
 * Wraps activities so that a fault meets them.
 * @returns the wrapped activities, and the names of the calls that there were
 */
export function injectFault<T extends Activities>(
  activities: T,
  fault: ActivityFault | undefined,
): { readonly activities: T; readonly calls: readonly CallName[] } {
  const calls: CallName[] = [];
  const counts = new Map<string, number>();
  const wrapped = wrap(activities, async (call, name) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const callName: CallName = `${name} ${count}`;
    calls.push(callName);
    if (fault === undefined) return call();
    if (fault.kind === 'twice') {
      await call();
      return call();
    }
    if (fault.kind === 'slow') {
      const result = await call();
      await pause(fault.answerAfterMs);
      return result;
    }
    const isMet =
      fault.call === callName || (fault.call === 'each' && Context.current().info.attempt === 1);
    return isMet ? meet(fault, call, callName) : call();
  });
  return { activities: wrapped, calls };
}

async function meet(
  fault: Exclude<ActivityFault, { readonly kind: 'twice' | 'slow' }>,
  call: () => Promise<unknown>,
  callName: CallName,
): Promise<unknown> {
  switch (fault.kind) {
    case 'fail': {
      if (fault.when === 'after') await call();
      throw ApplicationFailure.retryable(`injected into ${callName}`, 'Unavailable');
    }
    case 'time out': {
      if (fault.effect === 'late') await pause(OUTLAST_ATTEMPT_MS);
      const result = await call();
      if (fault.effect === 'early') await pause(OUTLAST_ATTEMPT_MS);
      return result;
    }
    case 'meanwhile': {
      const result = await call();
      await fault.happens();
      await pause(fault.answerAfterMs);
      return result;
    }
  }
}

/**
 * Wraps activities so that what runs in them when `death` comes is never answered, as when their process was killed: the engine gives
 * the attempt up in its time.
 * @param death of the process that is alive now; asked at the beginning of each call
 */
export function letDie<T extends Activities>(activities: T, death: () => Promise<void>): T {
  return wrap(activities, (call) =>
    Promise.race([
      call(),
      death().then(() => {
        throw new CompleteAsyncError();
      }),
    ]),
  );
}

function wrap<T extends Activities>(
  activities: T,
  around: (call: () => Promise<unknown>, name: string) => Promise<unknown>,
): T {
  const wrapped = Object.entries(activities).map(([name, activity]) => [
    name,
    (...args: unknown[]) => around(() => activity(...args), name),
  ]);
  return Object.fromEntries(wrapped) as T;
}
