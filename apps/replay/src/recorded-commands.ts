import type { ReadHistory } from '@sluice/temporal-client';
import type { Command, HistoryEvent } from './command.ts';
import { BARE, placeOf } from './command.ts';
import { durationSeconds, payloadValues } from './payload-value.ts';

/** What one workflow task brought, as the history tells. */
export interface RecordedTask {
  /** Event at which a worker took it; what the code knew then. */
  readonly started: number;
  /** Event at which it was done. */
  readonly completed: number;
  readonly commands: readonly Command[];
}

/** The tasks of a history that were completed, in order, each with the commands that followed from it. */
export function readRecordedTasks(history: ReadHistory['history']): readonly RecordedTask[] {
  const events = history.events ?? [];
  const scheduled = new Map<string, Command>();
  const tasks: RecordedTask[] = [];
  for (const [index, event] of events.entries()) {
    const task = event.workflowTaskCompletedEventAttributes;
    if (task == null) continue;
    const commands: Command[] = [];
    for (const next of events.slice(index + 1)) {
      const command = readCommandEvent(next, scheduled);
      if (command === undefined) break;
      if (!isOfPatch(next, commands.at(-1))) commands.push(command);
      if (command.kind === 'activity') scheduled.set(String(next.eventId), command);
    }
    tasks.push({
      started: Number(task.startedEventId),
      completed: Number(event.eventId),
      commands,
    });
  }
  return tasks;
}

/** The engine's library shows patches in the search by itself; no code asked for that. */
function isOfPatch(event: HistoryEvent, before: Command | undefined): boolean {
  if (before?.kind !== 'patch') return false;
  const fields = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes;
  return fields?.indexedFields?.TemporalChangeVersion !== undefined;
}

/** The command that an event came from; undefined for an event that no command of the workflow made. */
export function readCommandEvent(
  event: HistoryEvent,
  scheduled: ReadonlyMap<string, Command>,
): Command | undefined {
  const found = readActivity(event, scheduled) ?? readOther(event) ?? readEnd(event);
  if (found === undefined) return undefined;
  return { ...BARE, ...found, event: Number(event.eventId) };
}

function readActivity(
  event: HistoryEvent,
  scheduled: ReadonlyMap<string, Command>,
): Partial<Command> | undefined {
  const activity = event.activityTaskScheduledEventAttributes;
  if (activity != null) {
    const input = payloadValues(activity.input?.payloads);
    return {
      kind: 'activity',
      name: activity.activityType?.name ?? '',
      id: activity.activityId ?? '',
      input,
      taskQueue: activity.taskQueue?.name ?? null,
      ...placeOf(input),
    };
  }
  const cancelled = event.activityTaskCancelRequestedEventAttributes;
  if (cancelled == null) return undefined;
  const of = scheduled.get(String(cancelled.scheduledEventId));
  return { kind: 'cancel-activity', id: of?.id ?? '', ...placeOf(of?.input ?? []) };
}

function readOther(event: HistoryEvent): Partial<Command> | undefined {
  const timer = event.timerStartedEventAttributes;
  if (timer != null) {
    const seconds = durationSeconds(timer.startToFireTimeout);
    return { kind: 'timer', id: timer.timerId ?? '', seconds };
  }
  if (event.timerCanceledEventAttributes != null) {
    return { kind: 'cancel-timer', id: event.timerCanceledEventAttributes.timerId ?? '' };
  }
  if (event.upsertWorkflowSearchAttributesEventAttributes != null) {
    return { kind: 'search-attributes' };
  }
  if (event.workflowPropertiesModifiedEventAttributes != null) return { kind: 'memo' };
  const marker = event.markerRecordedEventAttributes;
  if (marker != null) {
    if (marker.markerName !== 'core_patch') {
      return { kind: 'local-activity', name: '' };
    }
    const [data] = payloadValues(marker.details?.['patch-data']?.payloads);
    return { kind: 'patch', name: (data as { id?: string } | undefined)?.id ?? '' };
  }
  const child = event.startChildWorkflowExecutionInitiatedEventAttributes;
  if (child != null) {
    const input = payloadValues(child.input?.payloads);
    return { kind: 'child-workflow', name: child.workflowType?.name ?? '', input };
  }
  const signal = event.signalExternalWorkflowExecutionInitiatedEventAttributes;
  if (signal != null) {
    const input = payloadValues(signal.input?.payloads);
    return { kind: 'signal-workflow', name: signal.signalName ?? '', input };
  }
  if (event.requestCancelExternalWorkflowExecutionInitiatedEventAttributes != null) {
    return { kind: 'cancel-workflow' };
  }
  const accepted = event.workflowExecutionUpdateAcceptedEventAttributes;
  if (accepted != null) {
    return { kind: 'update-accepted', id: accepted.protocolInstanceId ?? '' };
  }
  const answered = event.workflowExecutionUpdateCompletedEventAttributes;
  if (answered != null) {
    return { kind: 'update-completed', id: answered.meta?.updateId ?? '' };
  }
  return undefined;
}

function readEnd(event: HistoryEvent): Partial<Command> | undefined {
  const done = event.workflowExecutionCompletedEventAttributes;
  if (done != null) return { kind: 'complete', input: payloadValues(done.result?.payloads) };
  if (event.workflowExecutionFailedEventAttributes != null) return { kind: 'fail' };
  if (event.workflowExecutionCanceledEventAttributes != null) return { kind: 'cancel' };
  const next = event.workflowExecutionContinuedAsNewEventAttributes;
  if (next == null) return undefined;
  const input = payloadValues(next.input?.payloads);
  return { kind: 'continue-as-new', name: next.workflowType?.name ?? '', input };
}
