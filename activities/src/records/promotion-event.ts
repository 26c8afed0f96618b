import { type AuditEvent, type EventType, traceIdOf } from '@sluice/domain';
import { insertEvent, insertEvents, type PromotionRecord, type Tx } from '@sluice/persistence';

/** The actor of what a promotion's workflow does. */
export function workflowActor(tenantId: string, promotionId: string): string {
  return `workflow:promotion/${tenantId}/${promotionId}`;
}

/** An audit event about a promotion, in its trace; done by its own workflow where nobody else is named. */
export function eventOf(
  { tenantId }: Pick<Tx, 'tenantId'>,
  type: EventType,
  { promotionId, traceparent }: Pick<PromotionRecord, 'promotionId' | 'traceparent'>,
  data: Readonly<Record<string, unknown>>,
  actor: string = workflowActor(tenantId, promotionId),
): AuditEvent & { readonly promotionId: string } {
  return {
    type,
    actor,
    subject: `promotion:${promotionId}`,
    promotionId,
    data,
    traceId: traceIdOf(traceparent) ?? null,
  };
}

/** Writes {@link eventOf}. */
export async function recordEventOf(
  tx: Tx,
  type: EventType,
  promotion: Pick<PromotionRecord, 'promotionId' | 'traceparent'>,
  data: Readonly<Record<string, unknown>>,
  actor?: string,
): Promise<void> {
  await insertEvent(tx, eventOf(tx, type, promotion, data, actor));
}

/** {@link recordEventOf} of several of one type, in this order. */
export async function recordEventsOf(
  tx: Tx,
  type: EventType,
  promotion: Pick<PromotionRecord, 'promotionId' | 'traceparent'>,
  events: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  await insertEvents(
    tx,
    events.map((data) => eventOf(tx, type, promotion, data)),
  );
}
