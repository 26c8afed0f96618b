import { CompleteAsyncError } from '@temporalio/activity';
import type { ActivityScope } from '../activity-scope.ts';

/** A scope outside of the engine; `completeLater` throws what the engine expects. */
export function createFakeScope(scope: Partial<ActivityScope> = {}): ActivityScope {
  return {
    workflowId: 'promotion/acme/dev/1',
    runId: 'run-1',
    activityId: 'activity-1',
    attempt: 1,
    cancellation: new AbortController().signal,
    heartbeat: () => undefined,
    completeLater: () => {
      throw new CompleteAsyncError();
    },
    ...scope,
  };
}
