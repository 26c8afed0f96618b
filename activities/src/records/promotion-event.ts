import { type EventType, traceIdOf } from '@sluice/domain';
import { insertEvent, insertEvents, type PromotionRecord, type Tx } from '@sluice/persistence';

/** The actor of what a promotion's workflow does. */
export function workflowActor(tenantId: string, promotionId: string): string {
  return `workflow:promotion/${tenantId}/${promotionId}`;
}

/** Writes an audit event about a promotion, in its trace; done by its own workflow where nobody else is named. */
export async function recordEventOf(
  tx: Tx,
  type: EventType,
  { promotionId, traceparent }: Pick<PromotionRecord, 'promotionId' | 'traceparent'>,
  data: Readonly<Record<string, unknown>>,
  actor: string = workflowActor(tx.tenantId, promotionId),
): Promise<void> {
  await insertEvent(tx, {
    type,
    actor,
    subject: `promotion:${promotionId}`,
    promotionId,
    data,
    traceId: traceIdOf(traceparent) ?? null,
  });
}

/** {@link recordEventOf} of several of one type, in this order. */
export async function recordEventsOf(
  tx: Tx,
  type: EventType,
  { promotionId, traceparent }: Pick<PromotionRecord, 'promotionId' | 'traceparent'>,
  events: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const actor = workflowActor(tx.tenantId, promotionId);
  const subject = `promotion:${promotionId}`;
  const traceId = traceIdOf(traceparent) ?? null;
  await insertEvents(
    tx,
    events.map((data) => ({ type, actor, subject, promotionId, data, traceId })),
  );
}
