import type { ActivityScope } from '../activity-scope.ts';

/** Milliseconds between heartbeats of a step. */
const HEARTBEAT_INTERVAL_MS = 2000;

/**
 * Sends heartbeats while a step runs, so that a cancellation reaches it and a dead worker is noticed. What the step itself says last is
 * repeated: the next attempt finds it as `progress`.
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
  heartbeat(last);
  const timer = setInterval(() => scope.heartbeat(last), HEARTBEAT_INTERVAL_MS);
  try {
    return await work({ ...scope, heartbeat });
  } finally {
    clearInterval(timer);
  }
}
