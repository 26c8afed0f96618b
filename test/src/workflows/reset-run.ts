import { randomUUID } from 'node:crypto';
import type { PromotionStatus } from '@sluice/temporal-contract';
import { PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import type { WorkflowHandle } from '@temporalio/client';
import { until } from './waiting.ts';
import type { WorkflowEnvironment } from './workflow-environment.ts';

/** Ends a run and begins it again from the end of its first workflow task; gives the newest run, whichever that is. */
export async function resetToFirstTask(
  env: Pick<WorkflowEnvironment, 'client' | 'namespace'>,
  { workflowId }: Pick<WorkflowHandle, 'workflowId'>,
): Promise<WorkflowHandle> {
  const newest = env.client.workflow.getHandle(workflowId);
  const { events } = await newest.fetchHistory();
  const task = events?.find((event) => event.workflowTaskCompletedEventAttributes != null);
  await env.client.workflowService.resetWorkflowExecution({
    namespace: env.namespace,
    workflowExecution: { workflowId, runId: (await newest.describe()).runId },
    reason: 'a test',
    workflowTaskFinishEventId: task?.eventId ?? null,
    requestId: randomUUID(),
  });
  return newest;
}

/** Waits until a promotion has begun a step. */
export function untilBegun(handle: WorkflowHandle, stepId: string): Promise<void> {
  return until(async () => {
    const { steps } = await handle.query<PromotionStatus>(PROMOTION_MESSAGES.promotionStatus);
    return steps.some(({ id, state }) => id === stepId && state !== 'pending');
  });
}
