import { type EventType, traceIdOf } from '@sluice/domain';
import { insertEvent, type PromotionRecord, type Tx } from '@sluice/persistence';

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
