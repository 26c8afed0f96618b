import { ApplicationFailure } from '@temporalio/common';

/** Functions by name; what a worker is given. */
// biome-ignore lint: any argument list, as the SDK's own activity type has it
type Activities = object;

/** Names the nth call of an activity, counted from 1: `executeStep 3`. */
export type CallName = `${string} ${number}`;

/** What wrapped activities have seen. */
export interface FaultLog {
  readonly calls: CallName[];
}

/**
 * Wraps activities so that each call is run twice: its effect is done, the answer is lost, and the retry does it again. The end
 * state must be that of a run without it.
 */
export function runEachTwice<T extends Activities>(activities: T): T {
  return wrap(activities, async (call) => {
    await call();
    return call();
  });
}

/**
 * Wraps activities so that one call (the nth of an activity over the whole run) fails once with a retryable failure:
 * before its effect, or after it, when only the answer is lost.
 */
export function failOnce<T extends Activities>(
  activities: T,
  wanted: CallName | undefined,
  when: 'before' | 'after',
): { readonly activities: T; readonly log: FaultLog } {
  const calls: CallName[] = [];
  const counts = new Map<string, number>();
  const wrapped = wrap(activities, async (call, name) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const callName: CallName = `${name} ${count}`;
    calls.push(callName);
    const fails = callName === wanted;
    if (fails && when === 'before') throw injected(callName);
    const result = await call();
    if (fails) throw injected(callName);
    return result;
  });
  return { activities: wrapped, log: { calls } };
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

function injected(call: string): ApplicationFailure {
  return ApplicationFailure.retryable(`injected into ${call}`, 'Unavailable');
}
