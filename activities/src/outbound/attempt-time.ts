import type { ActivityScope } from '../activity-scope.ts';

/** Kept back for recording what came of it. */
const RESERVE_SHARE = 0.1;
const MAX_RESERVE_MS = 3000;

/**
 * Milliseconds that the work of this attempt may take, so that it ends with a result of its own before the engine ends it.
 * @param fallback where nothing ends the attempt
 */
export function attemptMilliseconds(scope: ActivityScope, fallback: number): number {
  const ends = Math.min(scope.attemptDeadline ?? Infinity, scope.deadline ?? Infinity);
  const left = ends === Infinity ? fallback : ends - Date.now();
  return Math.max(1, left - Math.min(MAX_RESERVE_MS, left * RESERVE_SHARE));
}
