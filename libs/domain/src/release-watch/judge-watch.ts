import type { Refusal } from '../domain-error.ts';
import type { BurnRateRules, BurnRateWindow, WatchRules } from './watch-rules.ts';

/** Requests of a window, and those of them that were not answered well. */
export interface RequestCounts {
  readonly requests: number;
  readonly errors: number;
}

/** What a pair of windows holds; neither reaches back before the watch began. */
export interface WindowCounts {
  readonly long: RequestCounts;
  readonly short: RequestCounts;
}

/** A target whose health could not be confirmed. */
export interface FailingTarget {
  readonly target: string;
  /** Failures in a row. */
  readonly count: number;
  /** What was answered last, in a few words. */
  readonly outcome: string;
}

/** What one look at a release found. */
export interface WatchLook {
  /** By name; none where health is not asked for. */
  readonly failing: readonly FailingTarget[];
  /** One for each pair of the rules' windows; null where nobody could count, or nothing is counted. */
  readonly burns: readonly WindowCounts[] | null;
  /** Why something could not be seen; null where all could. */
  readonly blind: Refusal | null;
}

/** What a look means. `blind` is no alarm and no all-clear. */
export type WatchVerdict =
  | { readonly kind: 'alarm'; readonly reason: Refusal }
  | { readonly kind: 'blind'; readonly reason: Refusal }
  | { readonly kind: 'well' };

/** Code of an alarm: a target's health failed. */
export const WATCH_PROBE_FAILING = 'watch-probe-failing';
/** Code of an alarm: errors use up what the objective allows too fast. */
export const WATCH_BURN_RATE = 'watch-burn-rate';
/** Code of what could not be seen. */
export const WATCH_BLIND = 'watch-blind';

/**
 * What a look at a watched release means. An alarm is one also where something else could not be seen.
 * @param elapsedSeconds since the watch began
 */
export function judgeWatch(
  rules: WatchRules,
  look: WatchLook,
  elapsedSeconds: number,
): WatchVerdict {
  const { probes, burnRate } = rules;
  if (probes !== null) {
    const failed = look.failing.filter(({ count }) => count >= probes.failures);
    if (failed.length > 0) return { kind: 'alarm', reason: probeAlarm(failed) };
  }
  if (burnRate !== null && look.burns !== null) {
    const alarm = findBurning(burnRate, look.burns, elapsedSeconds);
    if (alarm !== undefined) return { kind: 'alarm', reason: alarm };
  }
  return look.blind === null ? { kind: 'well' } : { kind: 'blind', reason: look.blind };
}

/**
 * How many times faster than the objective allows errors were made in a window. What the watch has not seen of it counts as without
 * errors: so long as an alarm takes by the whole window, it takes here.
 * @param elapsedSeconds since the watch began
 */
export function burnRateOf(
  { requests, errors }: RequestCounts,
  windowSeconds: number,
  elapsedSeconds: number,
  objective: number,
): number {
  if (requests <= 0) return 0;
  const seen = Math.min(1, Math.max(0, elapsedSeconds) / windowSeconds);
  return ((errors / requests) * seen) / (1 - objective);
}

function findBurning(
  { objective, minRequests, windows }: BurnRateRules,
  burns: readonly WindowCounts[],
  elapsedSeconds: number,
): Refusal | undefined {
  for (const [index, window] of windows.entries()) {
    const counts = burns[index];
    if (counts === undefined) continue;
    if (counts.long.requests < minRequests || counts.short.requests < minRequests) continue;
    const long = burnRateOf(counts.long, window.longSeconds, elapsedSeconds, objective);
    const short = burnRateOf(counts.short, window.shortSeconds, elapsedSeconds, objective);
    if (long >= window.factor && short >= window.factor) {
      return burnAlarm(objective, window, counts, Math.min(long, short));
    }
  }
  return undefined;
}

function probeAlarm(failed: readonly FailingTarget[]): Refusal {
  const [first] = failed;
  const more = failed.length > 1 ? ` So did ${failed.length - 1} more.` : '';
  const often = first?.count === 1 ? 'once' : `${first?.count} times in a row`;
  return {
    code: WATCH_PROBE_FAILING,
    message: `The health of ${first?.target} failed ${often}: ${first?.outcome}.${more}`,
  };
}

function burnAlarm(
  objective: number,
  { longSeconds, shortSeconds, factor }: BurnRateWindow,
  { long }: WindowCounts,
  burning: number,
): Refusal {
  return {
    code: WATCH_BURN_RATE,
    message:
      `Errors use up what ${percent(objective)} allows ${rounded(burning)} times too fast in ${longSeconds} s and in ${shortSeconds} s ` +
      `(allowed: below ${factor}): ${rounded(long.errors)} of ${rounded(long.requests)} requests failed.`,
  };
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(8))} %`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
