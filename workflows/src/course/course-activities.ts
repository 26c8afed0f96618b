import type { CourseStep } from '@sluice/domain';
import { isDeployment } from '@sluice/domain';
import type { ShardActivities, StepActivities } from '@sluice/temporal-contract';
import { TERMINAL_FAILURES } from '@sluice/temporal-contract';
import type { ActivityOptions } from '@temporalio/workflow';
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { ATTEMPT, control, HEARTBEAT, retry as infrastructure } from '../activity-classes.ts';
import { isProcess, type QueuedStep, queueOf } from './step-queue.ts';

/** What decides how a step of a course is run: the same of the step itself, of a shard's members, and of a compensation. */
export interface ExecutionTerms
  extends Pick<CourseStep, 'type' | 'queue' | 'timeoutSeconds' | 'retry'> {
  /** Of a matrix. False when absent. */
  readonly isMember?: boolean;
}

/** A step waits for a worker that takes it as long as for one attempt, but at least and at most so long. A member waits for others, too. */
const LEAST_QUEUE_SECONDS = 120;
const MOST_QUEUE_SECONDS = 3600;

/** So long an attempt waits for a worker that takes it; none does where the queue is served by nobody. */
export function queueSecondsOf({
  timeoutSeconds,
  isMember,
}: Pick<ExecutionTerms, 'timeoutSeconds' | 'isMember'>): number {
  if (isMember === true) return MOST_QUEUE_SECONDS;
  return Math.min(MOST_QUEUE_SECONDS, Math.max(LEAST_QUEUE_SECONDS, timeoutSeconds));
}

/** All attempts, the pauses between them, and the wait for a worker: a step whose workers keep dying ends by this deadline. */
export function deadlineOf({ type, timeoutSeconds, retry, isMember }: ExecutionTerms): number {
  // From the signed command to the agent's report, whatever attempts it takes.
  if (isDeployment(type)) return timeoutSeconds;
  let pauses = 0;
  let pause = retry.backoffSeconds;
  for (let attempt = 1; attempt < retry.attempts; attempt += 1) {
    pauses += Math.min(pause, retry.maxBackoffSeconds);
    pause *= retry.factor;
  }
  const queue = queueSecondsOf({ timeoutSeconds, isMember: isMember === true });
  return Math.ceil(retry.attempts * timeoutSeconds + pauses + queue);
}

/**
 * `executeStep` and `compensateStep` of a step on its capability's queue. The pauses are those of its retry. The number of attempts is
 * not: a worker that died and a database that was away are attempts, too, and must not take the step's last one from it. The activity
 * knows which of its failed results is the last, and gives that as the result; the deadline bounds all else.
 */
export function executionWithin(terms: ExecutionTerms): StepActivities {
  return proxyActivities<StepActivities>({
    ...optionsOf(terms),
    taskQueue: queueOf(terms),
    scheduleToCloseTimeout: `${deadlineOf(terms)}s`,
  });
}

function optionsOf(terms: ExecutionTerms): ActivityOptions {
  const { timeoutSeconds, retry } = terms;
  if (isDeployment(terms.type)) {
    // Completed by the agent's report; an attempt that timed out finds it, or the dispatched command.
    return { startToCloseTimeout: ATTEMPT, retry: infrastructure };
  }
  const initial = Math.max(0.1, retry.backoffSeconds);
  return {
    startToCloseTimeout: `${timeoutSeconds}s`,
    scheduleToStartTimeout: `${queueSecondsOf(terms)}s`,
    // However long an attempt may take: a worker that died is noticed in seconds.
    heartbeatTimeout: HEARTBEAT,
    cancellationType: isProcess(terms)
      ? ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
      : ActivityCancellationType.TRY_CANCEL,
    retry: {
      initialInterval: `${initial}s`,
      backoffCoefficient: Math.max(1, retry.factor),
      maximumInterval: `${Math.max(initial, retry.maxBackoffSeconds)}s`,
      nonRetryableErrorTypes: [...TERMINAL_FAILURES],
    },
  };
}

/** A compensation: tried again without a count until its time is over, for nothing else would put the step back. */
export function compensationWithin(
  step: QueuedStep,
  seconds: number,
  isMember: boolean,
): StepActivities {
  return proxyActivities<StepActivities>({
    taskQueue: queueOf(step),
    startToCloseTimeout: `${seconds}s`,
    scheduleToCloseTimeout: `${seconds + queueSecondsOf({ timeoutSeconds: seconds, isMember })}s`,
    heartbeatTimeout: HEARTBEAT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: infrastructure,
  });
}

/** Keys and records of members, on the control queue. */
export const members: ShardActivities = proxyActivities<ShardActivities>(control);
