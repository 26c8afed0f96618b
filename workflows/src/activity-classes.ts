import type {
  InterpreterActivities,
  ReleaseActivities,
  RevertActivities,
  StepActivities,
  TaskQueue,
  WatchActivities,
} from '@sluice/temporal-contract';
import { TASK_QUEUES, TERMINAL_FAILURES, WATCH_SHIFT_SECONDS } from '@sluice/temporal-contract';
import type { ActivityOptions, RetryPolicy } from '@temporalio/workflow';
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';

/**
 * Retry policies and timeouts, one group per class of work. An attempt's own timeout is short wherever the
 * attempt is short, so that a worker that died is noticed in seconds; the deadline is `scheduleToCloseTimeout`.
 */
/** Of an attempt that is short. */
export const ATTEMPT = '20s';
/** Silence after which a worker is taken for dead. */
export const HEARTBEAT = '20s';

/** Pauses between attempts that met a fault of workers, database or network. */
export const retry: RetryPolicy = {
  initialInterval: '500ms',
  backoffCoefficient: 2,
  maximumInterval: '10s',
  nonRetryableErrorTypes: [...TERMINAL_FAILURES],
};

/** An attempt is never abandoned half-way: a lease taken by it, or a record, must be known before the run goes on. */
export const control: ActivityOptions = {
  taskQueue: TASK_QUEUES.control,
  startToCloseTimeout: ATTEMPT,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { ...retry, maximumInterval: '30s' },
};

/** Records have no deadline of their own: while the database is away nothing else can be done. */
export const records: Pick<
  InterpreterActivities,
  | 'recordPromotion'
  | 'recordStep'
  | 'recordSteps'
  | 'expandMatrix'
  | 'releaseLease'
  | 'yieldLease'
  | 'reopenSteps'
  | 'openApproval'
  | 'recordApproval'
  | 'closeApproval'
  | 'listBegunSteps'
  | 'listDeployments'
> = proxyActivities<InterpreterActivities>(control);

/** Sealing writes a packet beside its transaction; it is tried for as long as it takes. */
export const sealing: Pick<InterpreterActivities, 'sealPromotion'> =
  proxyActivities<InterpreterActivities>({ ...control, startToCloseTimeout: '60s' });

/** Control calls that a deadline ends. */
export function controlWithin(
  seconds: number,
): Pick<InterpreterActivities, 'freezeRules' | 'takeLease' | 'checkPlans'> {
  return proxyActivities<InterpreterActivities>({
    ...control,
    scheduleToCloseTimeout: `${seconds}s`,
  });
}

/** How the steps of one type are run, beside their queue and deadline. */
const STEP_CLASSES: Readonly<Record<string, (deadline: `${number}s`) => ActivityOptions>> = {
  // A scanner is a child process: the step has ended when its process group has.
  scan: (deadline) => ({
    startToCloseTimeout: deadline,
    heartbeatTimeout: HEARTBEAT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  }),
  // Completed by the agent's report. An attempt that timed out is made again, finds the stored report or the
  // dispatched command, and waits on: it also mends a lost completion.
  deploy: () => ({
    startToCloseTimeout: ATTEMPT,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  }),
  verify: (deadline) => ({
    startToCloseTimeout: deadline,
    heartbeatTimeout: HEARTBEAT,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  }),
};

/** `executeStep` for one step type on its capability's queue, ended by the step's deadline. */
export function stepWithin(type: string, taskQueue: TaskQueue, seconds: number): StepActivities {
  const ofType = STEP_CLASSES[type] ?? (() => ({ startToCloseTimeout: ATTEMPT }));
  return proxyActivities<StepActivities>({
    ...ofType(`${seconds}s`),
    taskQueue,
    scheduleToCloseTimeout: `${seconds}s`,
    retry,
  });
}

/** `revertTarget`, completed by the agent's report like a deployment. */
export function revertWithin(seconds: number): RevertActivities {
  return proxyActivities<RevertActivities>({
    taskQueue: TASK_QUEUES.deploy,
    startToCloseTimeout: ATTEMPT,
    scheduleToCloseTimeout: `${seconds}s`,
    retry,
  });
}

/** Bringing an image into the evidence store: long, with heartbeats. */
export const RESOLVE_SECONDS = 600;

/** Calls of release resolution that a deadline ends. */
export const resolution: Pick<ReleaseActivities, 'resolveComponent'> =
  proxyActivities<ReleaseActivities>({
    taskQueue: TASK_QUEUES.control,
    startToCloseTimeout: `${RESOLVE_SECONDS}s`,
    scheduleToCloseTimeout: `${RESOLVE_SECONDS}s`,
    heartbeatTimeout: HEARTBEAT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry,
  });

/** Records of release resolution. */
export const releaseRecords: Pick<ReleaseActivities, 'recordRelease' | 'refuseRelease'> =
  proxyActivities<ReleaseActivities>(control);

/** `lookAtRelease`: a shift of looks with heartbeats; ended by the watch's own time. */
export function watchingWithin(seconds: number): Pick<WatchActivities, 'lookAtRelease'> {
  return proxyActivities<WatchActivities>({
    taskQueue: TASK_QUEUES.outbound,
    startToCloseTimeout: `${WATCH_SHIFT_SECONDS + 300}s`,
    scheduleToCloseTimeout: `${seconds}s`,
    heartbeatTimeout: HEARTBEAT,
    retry: { ...retry, maximumInterval: '30s' },
  });
}

/** The end of a watch; it has no deadline of its own, as records have none. */
export const closingWatch: Pick<WatchActivities, 'closeWatch'> =
  proxyActivities<WatchActivities>(control);
