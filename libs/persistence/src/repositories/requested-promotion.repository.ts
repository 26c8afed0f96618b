import type { JsonValue, PromotionKind } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { insertEvent } from './event.repository.ts';
import { enqueueOutbox, type OutboxMessage } from './outbox.repository.ts';
import { type AskedRollback, insertPromotion } from './promotion.repository.ts';
import type { NewStep } from './promotion-step.repository.ts';

/** What starts a promotion's workflow. */
export type PromotionStart = Extract<OutboxMessage, { readonly kind: 'start-workflow' }>['body'];

/**
 * Stores a promotion with its steps, its event `promotion.requested` and the engine's call, in one transaction; gives its id.
 * @param startOf what starts the workflow of the promotion with this id
 */
export async function insertRequestedPromotion(
  tx: Tx,
  asked: {
    readonly environment: string;
    readonly releaseDigest: string;
    readonly kind: PromotionKind;
    readonly requestedBy: string;
    /** The principal itself, or the owner of a service account. */
    readonly requestedPerson: string;
    /** Of the event: `principal:<name>` or `system:<part>`. */
    readonly actor: string;
    /** None where they are known when the rules are frozen. */
    readonly steps: readonly NewStep[];
    /** For its pipeline; none of a rollback. */
    readonly parameters?: Readonly<Record<string, JsonValue>> | undefined;
    /** Of a rollback, and of nothing else. */
    readonly rollback?: AskedRollback | undefined;
    /** More that the event says. */
    readonly data?: Readonly<Record<string, unknown>> | undefined;
    readonly traceId: string | null;
    readonly traceparent: string;
  },
  startOf: (promotionId: string) => PromotionStart,
): Promise<string> {
  const { actor, data, traceId, ...promotion } = asked;
  const { environment, releaseDigest, kind } = asked;
  const { promotionId } = await insertPromotion(tx, promotion);
  await insertEvent(tx, {
    type: 'promotion.requested',
    actor,
    subject: `promotion:${promotionId}`,
    promotionId,
    data: { release: releaseDigest, environment, kind, ...data },
    traceId,
  });
  await enqueueOutbox(tx, { kind: 'start-workflow', body: startOf(promotionId) });
  return promotionId;
}
