import type { RolloutActivities } from '@sluice/temporal-contract';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { ATTEMPT, control, HEARTBEAT, retry } from '../activity-classes.ts';

/** A change of a route table, from its command to the report of the router's agent. */
export const TRAFFIC_SECONDS = 120;

/** What a policy's answer may take, workers that are busy included. */
export const GATE_SECONDS = 600;

/** Beyond a stage's own time: the wait for a worker, the last look, and attempts whose worker died. */
const WATCH_MARGIN_SECONDS = 600;

/** Records have no deadline of their own. */
export const positions: Pick<RolloutActivities, 'recordRollout'> =
  proxyActivities<RolloutActivities>(control);

/** `routeTraffic`, completed by the agent's report: given up it is still known which commands were sent. */
export function trafficWithin(seconds: number): Pick<RolloutActivities, 'routeTraffic'> {
  return proxyActivities<RolloutActivities>({
    taskQueue: TASK_QUEUES.deploy,
    startToCloseTimeout: ATTEMPT,
    scheduleToCloseTimeout: `${seconds}s`,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry,
  });
}

/** `watchStage`; an attempt after one whose worker died goes on with the same time. */
export function watchWithin(soakSeconds: number): Pick<RolloutActivities, 'watchStage'> {
  const seconds = watchSecondsOf(soakSeconds);
  return proxyActivities<RolloutActivities>({
    taskQueue: TASK_QUEUES.outbound,
    startToCloseTimeout: `${seconds}s`,
    scheduleToCloseTimeout: `${seconds}s`,
    heartbeatTimeout: HEARTBEAT,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry,
  });
}

/** How long a stage of so many seconds may be watched at most, faults included. */
export function watchSecondsOf(soakSeconds: number): number {
  return soakSeconds + WATCH_MARGIN_SECONDS;
}

/** `gateStage`. */
export const gates: Pick<RolloutActivities, 'gateStage'> = proxyActivities<RolloutActivities>({
  taskQueue: TASK_QUEUES.gate,
  startToCloseTimeout: '60s',
  scheduleToCloseTimeout: `${GATE_SECONDS}s`,
  retry,
});
