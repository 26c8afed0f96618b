import type { Refusal } from '../domain-error.ts';
import { WATCH_BLIND } from './judge-watch.ts';
import type { WatchRules, WatchState } from './watch-rules.ts';

/** How far a watch has come; all that the next look needs to know of those before. */
export interface WatchProgress {
  /** Milliseconds since the epoch; null before the first look. */
  readonly lookedAt: number | null;
  readonly rounds: number;
  /** Milliseconds in which nobody could see. */
  readonly blindMs: number;
  /** Target → failures in a row; those without any are left out. */
  readonly failing: Readonly<Record<string, number>>;
  /** Why the last look could not see; null where it could. */
  readonly blind: Refusal | null;
}

/** Before the first look. */
export const NO_WATCH_PROGRESS: WatchProgress = {
  lookedAt: null,
  rounds: 0,
  blindMs: 0,
  failing: {},
  blind: null,
};

/** A look that comes later than this many times the pause means that nobody looked in between. */
const LATE = 2;

/** When the next look is due: a pause after the last one, and never after the end. Milliseconds since the epoch. */
export function nextLookAt(
  { everySeconds }: Pick<WatchRules, 'everySeconds'>,
  { lookedAt }: Pick<WatchProgress, 'lookedAt'>,
  { since, until }: { readonly since: number; readonly until: number },
): number {
  return Math.min(until, (lookedAt ?? since) + everySeconds * 1000);
}

/**
 * Counts a look in. The time since the one before counts as seen when this one saw all, as unseen when it did not; where nobody looked
 * for long, all but one pause of it was unseen.
 */
export function countLook(
  { everySeconds }: Pick<WatchRules, 'everySeconds'>,
  before: WatchProgress,
  look: {
    /** Milliseconds since the epoch; never before the last look's. */
    readonly at: number;
    readonly since: number;
    readonly failing: Readonly<Record<string, number>>;
    readonly blind: Refusal | null;
  },
): WatchProgress {
  const from = before.lookedAt ?? look.since;
  const passed = Math.max(0, look.at - from);
  const pause = everySeconds * 1000;
  const unwatched = passed > pause * LATE ? passed - pause : 0;
  return {
    lookedAt: Math.max(from, look.at),
    rounds: before.rounds + 1,
    blindMs: before.blindMs + (look.blind === null ? unwatched : passed),
    failing: look.failing,
    blind: look.blind,
  };
}

/** How a watch ends whose time is over without an alarm. It held unless nobody could see for more than half of it. */
export function endOfWatch(
  { seconds }: Pick<WatchRules, 'seconds'>,
  { blindMs, rounds }: Pick<WatchProgress, 'blindMs' | 'rounds'>,
): { readonly state: Extract<WatchState, 'held' | 'failed'>; readonly reason: Refusal | null } {
  const blind = Math.min(seconds, Math.round(blindMs / 1000));
  if (rounds > 0 && blind === 0) return { state: 'held', reason: null };
  const what = `Nobody could see for ${blind} of ${seconds} s (${rounds} looks).`;
  const isBlind = rounds === 0 || blind * 2 > seconds;
  const message = isBlind
    ? `${what} That is no all-clear: look at the release, and at what asks.`
    : what;
  return { state: isBlind ? 'failed' : 'held', reason: { code: WATCH_BLIND, message } };
}
