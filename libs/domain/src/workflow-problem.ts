/** What can keep a workflow from going on. */
export const WORKFLOW_PROBLEM_CODES = [
  /** Today's code does not do what the history says that it did. */
  'nondeterminism',
  /** Its code throws at the same place each time. */
  'workflow-task-failing',
  /** One activity fails again and again. */
  'activity-failing',
  /** Nobody takes its tasks. */
  'no-worker',
] as const;

/** One of {@link WORKFLOW_PROBLEM_CODES}. */
export type WorkflowProblemCode = (typeof WORKFLOW_PROBLEM_CODES)[number];

/** A workflow that does not go on, and why. */
export interface WorkflowProblem {
  readonly code: WorkflowProblemCode;
  /** What happened and to what; one line. */
  readonly message: string;
  /** What the engine or the failed code said; null where there is nothing to say. */
  readonly cause: string | null;
  /** How often it was tried. */
  readonly attempt: number;
  /** Number of the history's event that it is stuck at; null where none is to blame. */
  readonly event: number | null;
  /** Type of the activity that fails; null for the other codes. */
  readonly activity: string | null;
  /** Build of the worker that failed it last; null where unknown. */
  readonly buildId: string | null;
}

/** What a person can do about it, best first; `<promotion>` stands for its id. */
export const WAYS_OUT: Readonly<Record<WorkflowProblemCode, readonly string[]>> = {
  nondeterminism: [
    'Run the build again that began it: it goes on by itself.',
    'sluice replay <promotion> with the build that runs now (--build, --bundle): shows which change broke it; guard that change with patched() and deploy.',
    'sluice promotion reset <promotion>: begins again from an event that both builds agree on.',
    'sluice rollback <environment>: works while it is stuck.',
  ],
  'workflow-task-failing': [
    'sluice replay <promotion> with the build that runs now (--build, --bundle): shows where it throws.',
    'Deploy a fix: it goes on by itself.',
    'sluice promotion cancel <promotion>, or sluice rollback <environment> where it holds the lease.',
  ],
  'activity-failing': [
    'Mend what the cause names, then: sluice promotion resume <promotion> tries it at once.',
    'sluice promotion cancel <promotion>: accepted in every state.',
  ],
  'no-worker': [
    'Start a worker, or look why it cannot reach the engine: it goes on by itself.',
    'With worker deployments: keep the version running that the promotion is pinned to until it is drained.',
  ],
};
