import { TASK_QUEUES } from '@sluice/temporal-contract';
import { proxyActivities } from '@temporalio/workflow';

const { soakOnce } = proxyActivities<{ soakOnce(): Promise<unknown> }>({
  taskQueue: TASK_QUEUES.outbound,
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '20 seconds',
  retry: { initialInterval: '100 milliseconds', maximumAttempts: 5 },
});

/** Runs one activity `soakOnce` to its end. */
export async function soakOneStep(): Promise<unknown> {
  return soakOnce();
}
