/** What the engine's histories say of a run: how many events it took, and from when to when its steps went. */
import { setTimeout as sleep } from 'node:timers/promises';

const SCHEDULED = 'activityTaskScheduledEventAttributes';
const COMPLETED = 'activityTaskCompletedEventAttributes';

/**
 * Of a workflow with all of its runs and children: its events, and the seconds from the first activity of a step that was scheduled to the
 * last that was completed.
 * @param {string} activity what a step is there
 */
export async function readHistories(temporal, { workflowId, children }, activity) {
  const runs = await listClosed(temporal, workflowId, children);
  let events = 0;
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const run of runs) {
    const handle = temporal.workflow.getHandle(run.workflowId, run.runId);
    const history = await handle.fetchHistory();
    const steps = new Set();
    for (const event of history.events) {
      events += 1;
      const scheduled = event[SCHEDULED];
      if (scheduled?.activityType?.name === activity) {
        steps.add(String(event.eventId));
        first = Math.min(first, timeOf(event));
      }
      const completed = event[COMPLETED];
      if (completed != null && steps.has(String(completed.scheduledEventId))) {
        last = Math.max(last, timeOf(event));
      }
    }
  }
  return { events, stepSeconds: (last - first) / 1000 };
}

/** Milliseconds since the epoch. */
function timeOf({ eventTime: { seconds, nanos } }) {
  return Number(seconds) * 1000 + (nanos ?? 0) / 1e6;
}

/** All runs, once they have closed. */
async function listClosed(temporal, workflowId, children) {
  const query = `WorkflowId = '${workflowId}' or WorkflowId starts_with '${children}'`;
  for (let tries = 0; ; tries += 1) {
    const runs = [];
    let open = 0;
    for await (const run of temporal.workflow.list({ query })) {
      runs.push({ workflowId: run.workflowId, runId: run.runId });
      if (run.status.name === 'RUNNING') open += 1;
    }
    // What was just done is listed a moment later.
    if ((runs.length > 0 && open === 0) || tries > 50) return runs;
    await sleep(100);
  }
}
