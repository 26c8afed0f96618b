import type { EventRecord } from '@sluice/persistence';

/** Shows an audit event. */
export function eventView(record: EventRecord) {
  const { eventId, type, actor, subject, data, traceId, occurredAt, position, hash } = record;
  return {
    id: eventId,
    type,
    actor,
    subject,
    data,
    traceId,
    occurredAt,
    position: position === null ? null : String(position),
    hash,
  };
}
