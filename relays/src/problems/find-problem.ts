import type { WorkflowProblem } from '@sluice/domain';
import { FAILURES } from '@sluice/temporal-contract';
import type { PendingActivity, TaskFailure, WorkflowDescription } from '../engine-description.ts';

/** Attempts of a workflow task from which on it is no accident. */
const TASK_ATTEMPTS = 3;
/** Attempts of an activity from which on people should know: with the pauses in between that is some 8 s. */
const ACTIVITY_ATTEMPTS = 5;
/** How long a task may lie before a worker takes it. */
const UNSTARTED_MS = 30_000;

/** Activities that an agent's report completes: that an attempt's time is over means that the agent works on. */
const COMPLETED_FROM_OUTSIDE: ReadonlySet<string> = new Set(['executeStep', 'revertTarget']);

/** What is known of one workflow. */
export interface ProblemFacts {
  readonly workflowId: string;
  readonly description: WorkflowDescription;
  /** Asked for when {@link mayHaveFailedTask}. */
  readonly failure: TaskFailure | undefined;
  /** Queues that nobody polls, of those that {@link waitingQueues} names. */
  readonly unpolled: ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** True when it is worth asking why the last workflow task failed. */
export function mayHaveFailedTask({ pendingTask, reportedProblems }: WorkflowDescription): boolean {
  return (pendingTask?.attempt ?? 1) >= TASK_ATTEMPTS || reportedProblems.length > 0;
}

/** Queues of activities that lie there for long. */
export function waitingQueues(
  { pendingActivities }: WorkflowDescription,
  now: number,
): readonly string[] {
  const queues = pendingActivities.flatMap((one) =>
    liesAround(one, now) && one.taskQueue !== null ? [one.taskQueue] : [],
  );
  return [...new Set(queues)];
}

/** What keeps a workflow from going on; undefined when nothing does. Pure. */
export function findProblem(facts: ProblemFacts): WorkflowProblem | undefined {
  if (facts.description.state !== 'running') return undefined;
  return findTaskProblem(facts) ?? findActivityProblem(facts) ?? findMissingWorker(facts);
}

function findTaskProblem({ workflowId, description, failure }: ProblemFacts) {
  if (!mayHaveFailedTask(description)) return undefined;
  const attempt = description.pendingTask?.attempt ?? 1;
  if (failure !== undefined) {
    const { event, message: cause, buildId } = failure;
    const build = buildId === null ? 'the code of its worker' : `build ${buildId}`;
    const shared = { cause, attempt, event, activity: null, buildId };
    return failure.kind === 'nondeterminism'
      ? problem(
          'nondeterminism',
          `What ${build} does with ${workflowId} is not what its history says (event ${event}).`,
          shared,
        )
      : problem(
          'workflow-task-failing',
          `The workflow code of ${build} throws in ${workflowId} (event ${event}).`,
          shared,
        );
  }
  // Nothing threw, but a worker takes the task again and again and does not answer.
  if (attempt < TASK_ATTEMPTS) return undefined;
  return problem(
    'workflow-task-failing',
    `Workers take the task of ${workflowId} and do not answer in time; look whether they crash or hang.`,
    { cause: null, attempt, event: null, activity: null, buildId: null },
  );
}

function findActivityProblem({ workflowId, description: { pendingActivities } }: ProblemFacts) {
  const [worst] = pendingActivities
    .filter(({ type, attempt, lastFailure }) => {
      if (attempt < ACTIVITY_ATTEMPTS || lastFailure === null) return false;
      // They wait for something that others do, and nobody needs to mend it.
      if (lastFailure.type === FAILURES.reportAwaited) return false;
      if (lastFailure.type === FAILURES.budgetExhausted) return false;
      return !(lastFailure.isTimeout && COMPLETED_FROM_OUTSIDE.has(type));
    })
    .sort((a, b) => b.attempt - a.attempt);
  if (worst === undefined) return undefined;
  const { type, attempt, lastFailure } = worst;
  const failures = attempt - 1;
  return problem(
    'activity-failing',
    `Activity ${type} of ${workflowId} has failed ${failures} times.`,
    {
      cause: lastFailure?.message ?? null,
      attempt,
      event: null,
      activity: type,
      buildId: null,
    },
  );
}

function findMissingWorker({ workflowId, description, unpolled, now }: ProblemFacts) {
  const nothing = { cause: null, attempt: 1, event: null, activity: null, buildId: null };
  const { pendingTask, pendingActivities } = description;
  if (pendingTask !== null && !pendingTask.isStarted) {
    const { scheduledAt, attempt } = pendingTask;
    if (now - Date.parse(scheduledAt) > UNSTARTED_MS) {
      const message = `No worker takes the tasks of ${workflowId} since ${scheduledAt}.`;
      return problem('no-worker', message, { ...nothing, attempt });
    }
  }
  const lying = pendingActivities.find(
    (one) => liesAround(one, now) && one.taskQueue !== null && unpolled.has(one.taskQueue),
  );
  if (lying === undefined) return undefined;
  const { type, taskQueue, attempt } = lying;
  const message = `No worker asks for activities of queue ${taskQueue}; ${type} of ${workflowId} waits there.`;
  return problem('no-worker', message, { ...nothing, attempt, activity: type });
}

function liesAround(
  { isStarted, scheduledAt, nextAttemptAt }: PendingActivity,
  now: number,
): boolean {
  if (isStarted) return false;
  const due = Date.parse(nextAttemptAt ?? scheduledAt ?? '');
  return now - due > UNSTARTED_MS;
}

function problem(
  code: WorkflowProblem['code'],
  message: string,
  rest: Omit<WorkflowProblem, 'code' | 'message'>,
): WorkflowProblem {
  return { code, message, ...rest };
}
