import type { ActivityScope } from '../activity-scope.ts';

/** Milliseconds between heartbeats of a step. */
const HEARTBEAT_INTERVAL_MS = 2000;

/** Milliseconds before its first one: each is a write of the engine's, and most steps of a wide matrix are over by then. */
const FIRST_HEARTBEAT_MS = 250;

/**
 * Sends heartbeats while a step runs, so that a cancellation reaches it and a dead worker is noticed. What the step itself says last is
 * repeated: the next attempt finds it as `progress`. What an earlier attempt said is repeated at once.
 */
export async function withStepHeartbeats<T>(
  scope: ActivityScope,
  work: (scope: ActivityScope) => Promise<T>,
): Promise<T> {
  let last: unknown = scope.progress ?? 'step';
  const heartbeat = (detail: unknown): void => {
    last = detail;
    scope.heartbeat(detail);
  };
  if (scope.progress !== undefined) heartbeat(last);
  let timer = setTimeout(() => {
    scope.heartbeat(last);
    timer = setInterval(() => scope.heartbeat(last), HEARTBEAT_INTERVAL_MS);
  }, FIRST_HEARTBEAT_MS);
  try {
    return await work({ ...scope, heartbeat });
  } finally {
    // Clears an interval as well.
    clearTimeout(timer);
  }
}
