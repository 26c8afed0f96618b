import { CompleteAsyncError, Context } from '@temporalio/activity';

/** What an activity knows of the attempt that runs it. */
export interface ActivityScope {
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** When all attempts together must have ended, milliseconds since the epoch; absent when nothing ends them. */
  readonly deadline?: number;
  /** When this attempt must have ended, milliseconds since the epoch; absent when nothing ends it. */
  readonly attemptDeadline?: number;
  /** What an attempt before this one said in its last heartbeat; absent when none did. */
  readonly progress?: unknown;
  /** Aborted when the workflow cancels the activity, its deadline passes or the worker shuts down. */
  readonly cancellation: AbortSignal;
  heartbeat(detail: unknown): void;
  /** Ends this attempt without a result: somebody else completes the activity by its id. */
  completeLater(): never;
}

/** The scope of the running Temporal activity; throws outside of one. */
export function currentActivityScope(): ActivityScope {
  const context = Context.current();
  const { workflowExecution, activityId, attempt, ...info } = context.info;
  const { scheduledTimestampMs, scheduleToCloseTimeoutMs, startToCloseTimeoutMs } = info;
  const { heartbeatDetails: progress } = info;
  return {
    workflowId: workflowExecution?.workflowId ?? '',
    runId: workflowExecution?.runId ?? '',
    activityId,
    attempt,
    ...(scheduleToCloseTimeoutMs > 0
      ? { deadline: scheduledTimestampMs + scheduleToCloseTimeoutMs }
      : {}),
    ...(startToCloseTimeoutMs > 0 ? { attemptDeadline: Date.now() + startToCloseTimeoutMs } : {}),
    ...(progress === undefined || progress === null ? {} : { progress }),
    cancellation: context.cancellationSignal,
    heartbeat: (detail) => context.heartbeat(detail),
    completeLater: () => {
      throw new CompleteAsyncError();
    },
  };
}

/** Milliseconds between heartbeats of long work. */
const HEARTBEAT_INTERVAL_MS = 2000;

/** Sends heartbeats while the work runs, so that a cancellation reaches it and a dead worker is noticed. */
export async function withHeartbeats<T>(
  scope: ActivityScope,
  detail: string,
  work: () => Promise<T>,
): Promise<T> {
  scope.heartbeat(detail);
  const timer = setInterval(() => scope.heartbeat(detail), HEARTBEAT_INTERVAL_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
