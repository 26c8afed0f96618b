import { rfc3339 } from '@sluice/temporal-client';
import type { HistoryEvent } from './command.ts';
import { placeOf } from './command.ts';
import { durationSeconds, payloadValues } from './payload-value.ts';

/** An activity that has no outcome yet. */
export interface PendingActivity {
  /** Event that scheduled it. */
  readonly event: number;
  /** Its type. */
  readonly activity: string;
  readonly step: string | null;
  readonly target: string | null;
  /** RFC 3339. */
  readonly since: string;
  /** The newest attempt that the history knows of; attempts that failed are not in it before the last. */
  readonly attempt: number;
}

/** A timer that has not fired yet. */
export interface PendingTimer {
  readonly event: number;
  /** RFC 3339. */
  readonly fires: string;
}

/** What a run waited for after these first events of its history. */
export function readPending(past: readonly HistoryEvent[]): {
  readonly activities: readonly PendingActivity[];
  readonly timers: readonly PendingTimer[];
} {
  const activities = new Map<string, PendingActivity>();
  const timers = new Map<string, PendingTimer>();
  for (const event of past) {
    const id = String(event.eventId);
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled != null) {
      activities.set(id, {
        event: Number(id),
        activity: scheduled.activityType?.name ?? '',
        ...placeOf(payloadValues(scheduled.input?.payloads)),
        since: rfc3339(event.eventTime),
        attempt: 1,
      });
    }
    const began = event.activityTaskStartedEventAttributes;
    const beginning = activities.get(String(began?.scheduledEventId));
    if (began != null && beginning !== undefined) {
      const attempt = began.attempt ?? 1;
      activities.set(String(began.scheduledEventId), { ...beginning, attempt });
    }
    const closed = outcomeOf(event);
    if (closed != null) activities.delete(String(closed.scheduledEventId));
    const timer = event.timerStartedEventAttributes;
    if (timer != null) {
      const seconds = durationSeconds(timer.startToFireTimeout);
      const fires = new Date(Date.parse(rfc3339(event.eventTime)) + seconds * 1000).toISOString();
      timers.set(id, { event: Number(id), fires });
    }
    const ended = event.timerFiredEventAttributes ?? event.timerCanceledEventAttributes;
    if (ended != null) timers.delete(String(ended.startedEventId));
  }
  return { activities: [...activities.values()], timers: [...timers.values()] };
}

/** Attributes of an event that ends an activity. */
export function outcomeOf(
  event: HistoryEvent,
): { readonly scheduledEventId?: unknown } | null | undefined {
  return (
    event.activityTaskCompletedEventAttributes ??
    event.activityTaskFailedEventAttributes ??
    event.activityTaskTimedOutEventAttributes ??
    event.activityTaskCanceledEventAttributes
  );
}
