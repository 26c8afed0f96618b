import type { HistoryHead, WorkflowRunStatus } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import { tenantOfWorkflowId } from '@sluice/temporal-contract';
import { HistoryFileError } from './history-file-error.ts';
import type { History, HistoryEvent } from './history-message.ts';
import { encodeHistory } from './history-message.ts';

/** What is said of a run that may still go on, or that is of another system. */
export type HistoryFileHead = Omit<HistoryHead, 'tenantId' | 'status' | 'closedAt'> & {
  /** Null for a workflow id that is not ours. */
  readonly tenantId: string | null;
  readonly status: WorkflowRunStatus | 'running';
  /** RFC 3339; null while it runs. */
  readonly closedAt: string | null;
};

/** The head of a run of ours, closed or not: what a sealed file may have. */
export type SealedHead = HistoryFileHead & { readonly tenantId: string };

/** What {@link headOf} is told. */
export interface HeadOfOptions {
  readonly tenantId: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly history: History;
  /** Digest of a build's bundle, undefined where it is not known. */
  readonly bundleDigestOf: (buildId: string) => string | undefined;
}

/**
 * The head of a closed run.
 * @throws HistoryFileError `history-not-closed`, `history-too-large`
 */
export function headOf(options: HeadOfOptions): HistoryHead {
  const head = findHead(options);
  const { status, closedAt } = head;
  if (status === 'running' || closedAt === null) {
    throw new HistoryFileError(
      'history-not-closed',
      `Run ${options.runId} of ${options.workflowId} goes on; archive it when it has closed.`,
    );
  }
  return { ...head, tenantId: options.tenantId, status, closedAt };
}

/** The same of a run that may go on; without a run id, the one under which it began. */
export function findHead(
  options: Pick<HeadOfOptions, 'workflowId' | 'history'> & Partial<HeadOfOptions>,
): HistoryFileHead {
  const { workflowId, history, bundleDigestOf = () => undefined } = options;
  const events = history.events ?? [];
  const started = events[0]?.workflowExecutionStartedEventAttributes;
  const last = events.at(-1);
  const status = last === undefined ? 'running' : statusAfter(last);
  const runId = options.runId ?? started?.originalExecutionRunId ?? '';
  const buildIds = buildIdsOf(history);
  const bundleDigests = buildIds.map(bundleDigestOf).filter((digest) => digest !== undefined);
  return {
    tenantId: tenantOfWorkflowId(workflowId) ?? null,
    workflowId,
    runId,
    workflowType: started?.workflowType?.name ?? '',
    status,
    eventCount: events.length,
    startedAt: timeOf(findReset(events, runId) ?? events[0]),
    closedAt: status === 'running' ? null : timeOf(last),
    buildIds,
    bundleDigests: [...new Set(bundleDigests)].sort(),
    historyDigest: digestOfBytes(encodeHistory(history)),
  };
}

/** Builds of the workers that completed its workflow tasks, in that order, without repetition. */
export function buildIdsOf(history: History): readonly string[] {
  const found = new Set<string>();
  for (const { workflowTaskCompletedEventAttributes: task } of history.events ?? []) {
    const buildId =
      task?.deploymentVersion?.buildId ||
      task?.deployment?.buildId ||
      task?.workerVersion?.buildId ||
      task?.binaryChecksum;
    if (buildId) found.add(buildId);
  }
  return [...found];
}

/** Run ids that a run was reset from, as its events tell. */
export function baseRunsOf(history: History): readonly string[] {
  return (history.events ?? [])
    .map(({ workflowTaskFailedEventAttributes: task }) => task?.baseRunId ?? '')
    .filter((runId) => runId !== '');
}

/** A reset run repeats the first events of another; its own begin with this one. */
function findReset(events: readonly HistoryEvent[], runId: string): HistoryEvent | undefined {
  return events.findLast((event) => event.workflowTaskFailedEventAttributes?.newRunId === runId);
}

function statusAfter(event: HistoryEvent): WorkflowRunStatus | 'running' {
  if (event.workflowExecutionCompletedEventAttributes != null) return 'completed';
  if (event.workflowExecutionFailedEventAttributes != null) return 'failed';
  if (event.workflowExecutionCanceledEventAttributes != null) return 'cancelled';
  if (event.workflowExecutionTerminatedEventAttributes != null) return 'terminated';
  if (event.workflowExecutionTimedOutEventAttributes != null) return 'timed-out';
  if (event.workflowExecutionContinuedAsNewEventAttributes != null) return 'continued-as-new';
  return 'running';
}

function timeOf(event: HistoryEvent | undefined): string {
  return rfc3339(event?.eventTime);
}

/** A protobuf time as RFC 3339 in whole milliseconds; none is the epoch. */
export function rfc3339(time: HistoryEvent['eventTime']): string {
  const { seconds, nanos } = time ?? {};
  return new Date(Number(seconds ?? 0) * 1000 + Math.floor((nanos ?? 0) / 1e6)).toISOString();
}
