import type { WorkflowRunStatus } from '@sluice/domain';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { fetchHistory } from './fetch-history.ts';
import { baseRunsOf, rfc3339 } from './history-head.ts';

const { WorkflowExecutionStatus } = proto.temporal.api.enums.v1;
/** Runs of one workflow id; more are a fault. */
const MAX_RUNS = 1000;
const PAGE = 100;
const NOT_FOUND = 5;

/** One run of a workflow as the engine knows it. */
export interface WorkflowRun {
  readonly runId: string;
  readonly workflowType: string;
  readonly status: WorkflowRunStatus | 'running';
  /** RFC 3339; of a reset run, when it was reset. */
  readonly startedAt: string;
  /** RFC 3339; null while it runs. */
  readonly closedAt: string | null;
  readonly eventCount: number;
}

const STATUSES: Readonly<Record<number, WorkflowRun['status']>> = {
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED]: 'completed',
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED]: 'failed',
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED]: 'cancelled',
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED]: 'terminated',
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT]: 'timed-out',
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW]: 'continued-as-new',
};

/**
 * Every run of a workflow that the engine still knows, oldest first; none when it knows none. The newest is read from its
 * state; the ones before it are found through the runs that they were continued or reset from, and in the engine's list, which
 * may be late.
 * @throws Error when there are more than 1,000
 */
export async function listRuns(
  client: Client,
  workflowId: string,
): Promise<readonly WorkflowRun[]> {
  const runs = new Map<string, WorkflowRun>();
  const waiting: string[] = ['', ...(await listVisibleRuns(client, workflowId))];
  for (let runId = waiting.shift(); runId !== undefined; runId = waiting.shift()) {
    if (runs.has(runId)) continue;
    const found = await describeRun(client, workflowId, runId);
    if (found === undefined || runs.has(found.run.runId)) continue;
    runs.set(found.run.runId, found.run);
    if (runs.size > MAX_RUNS) {
      throw new Error(
        `Workflow ${workflowId} has more than ${MAX_RUNS} runs; look what restarts it.`,
      );
    }
    waiting.push(...(await findRunsBefore(client, workflowId, found).catch(noneWhereForgotten)));
  }
  return [...runs.values()].sort(
    (a, b) => compare(a.startedAt, b.startedAt) || compare(a.closedAt ?? '~', b.closedAt ?? '~'),
  );
}

interface DescribedRun {
  readonly run: WorkflowRun;
  readonly wasReset: boolean;
}

async function describeRun(
  client: Client,
  workflowId: string,
  runId: string,
): Promise<DescribedRun | undefined> {
  try {
    const { workflowExecutionInfo: info, workflowExtendedInfo: extended } =
      await client.workflowService.describeWorkflowExecution({
        namespace: client.options.namespace,
        execution: { workflowId, runId },
      });
    const status = STATUSES[info?.status ?? 0] ?? 'running';
    const run: WorkflowRun = {
      runId: info?.execution?.runId ?? runId,
      workflowType: info?.type?.name ?? '',
      status,
      startedAt: rfc3339(info?.startTime),
      closedAt: status === 'running' ? null : rfc3339(info?.closeTime),
      eventCount: Number(info?.historyLength ?? 0),
    };
    return { run, wasReset: extended?.lastResetTime != null };
  } catch (error) {
    noneWhereForgotten(error);
    return undefined;
  }
}

/** The engine may forget a run, or what it points to, between two questions. */
function noneWhereForgotten(error: unknown): readonly string[] {
  if ((error as { code?: unknown }).code === NOT_FOUND) return [];
  throw error;
}

async function findRunsBefore(
  client: Client,
  workflowId: string,
  { run: { runId }, wasReset }: DescribedRun,
): Promise<readonly string[]> {
  if (wasReset) return baseRunsOf(await fetchHistory(client, { workflowId, runId }));
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  return started?.continuedExecutionRunId ? [started.continuedExecutionRunId] : [];
}

async function listVisibleRuns(client: Client, workflowId: string): Promise<readonly string[]> {
  const found: string[] = [];
  let nextPageToken: Uint8Array | undefined;
  do {
    const answer = await client.workflowService.listWorkflowExecutions({
      namespace: client.options.namespace,
      pageSize: PAGE,
      query: `WorkflowId = '${workflowId.replaceAll("'", "''")}'`,
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    });
    for (const { execution } of answer.executions ?? []) found.push(execution?.runId ?? '');
    nextPageToken = answer.nextPageToken?.length ? answer.nextPageToken : undefined;
  } while (nextPageToken !== undefined && found.length <= MAX_RUNS);
  return found;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
