import { TypedSearchAttributes } from '@temporalio/common';
import type { WorkflowCreateOptions } from '@temporalio/worker/lib/workflow/interface.js';

/** Which run it is. */
export interface RunName {
  readonly workflowId: string;
  readonly runId: string;
}

/** What a worker tells the code of a run about it. */
export function infoOf(
  {
    workflowId,
    runId,
    workflowType,
    now,
  }: RunName & { readonly workflowType: string; readonly now: number },
  parent: (RunName & { readonly namespace: string }) | undefined,
): WorkflowCreateOptions['info'] {
  return {
    ...{ workflowId, runId, workflowType, namespace: 'test', taskQueue: 'control' },
    ...{ firstExecutionRunId: runId, originalExecutionRunId: runId, attempt: 1 },
    ...{ searchAttributes: {}, typedSearchAttributes: new TypedSearchAttributes() },
    ...{ startTime: new Date(now), runStartTime: new Date(now) },
    ...{ taskTimeoutMs: 10_000, historyLength: 3, historySize: 0 },
    ...(parent === undefined ? {} : { parent }),
    continueAsNewSuggested: false,
    targetWorkerDeploymentVersionChanged: false,
    suggestedContinueAsNewReasons: [],
    unsafe: { now: Date.now, isReplaying: false, isReplayingHistoryEvents: false },
  } as unknown as WorkflowCreateOptions['info'];
}
