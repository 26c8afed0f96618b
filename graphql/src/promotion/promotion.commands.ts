import { Injectable } from '@nestjs/common';
import {
  enqueueOutbox,
  findPromotion,
  getPromotion,
  insertEvent,
  requestCancel,
  type Tx,
} from '@sluice/persistence';
import {
  type CancelPromotionSignal,
  PROMOTION_MESSAGES,
  promotionWorkflowId,
} from '@sluice/temporal-contract';
import { answerCommand } from '../common/answer-command.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { notFound, stateConflict } from '../common/refusal.ts';
import type { Parameters } from '../environment/environment-pipeline.ts';
import type { CancelPromotionInput } from './cancel-promotion.input.ts';
import { type PromotionView, promotionView } from './promotion.view.ts';
import type { RequestPromotionInput } from './request-promotion.input.ts';
import { requestPromotion } from './request-promotion.ts';

/** Mutations of promotions: each writes rows and the engine's call in one transaction, never an effect. */
@Injectable()
export class PromotionCommands {
  /** Asks for a promotion; a repeated key gives the same promotion as it is now. */
  async request(context: GraphqlContext, input: RequestPromotionInput): Promise<PromotionView> {
    const { environment, idempotencyKey } = input;
    const release = input.release ?? null;
    const parameters = (input.parameters ?? {}) as Parameters;
    return context.inTenant(async (tx) => {
      const id = await answerCommand(
        tx,
        context,
        'requestPromotion',
        idempotencyKey,
        // Without parameters as it was before there were any: a key that was used then gives the same answer.
        { release, environment, ...(Object.keys(parameters).length > 0 ? { parameters } : {}) },
        () => requestPromotion(tx, context, { release, environment, parameters }),
      );
      return promotionView(await getPromotion(tx, id));
    });
  }

  /** Asks for a promotion's end. */
  async cancel(context: GraphqlContext, input: CancelPromotionInput): Promise<PromotionView> {
    const { promotion, reason, idempotencyKey } = input;
    return context.inTenant(async (tx) => {
      const id = await answerCommand(
        tx,
        context,
        'cancelPromotion',
        idempotencyKey,
        { promotion, reason },
        () => cancelPromotion(tx, context, promotion, reason),
      );
      return promotionView(await getPromotion(tx, id));
    });
  }
}

async function cancelPromotion(
  tx: Tx,
  context: GraphqlContext,
  promotionId: string,
  reason: string,
): Promise<string> {
  const { tenantId, principalId } = principalOf(context);
  const promotion = await findPromotion(tx, promotionId);
  if (promotion === undefined) {
    throw notFound('promotion-unknown', `There is no promotion ${promotionId}; list promotions.`);
  }
  const answer = await requestCancel(tx, promotionId);
  if (answer === 'ended') {
    const { state } = await getPromotion(tx, promotionId);
    throw stateConflict(
      'promotion-ended',
      `Promotion ${promotionId} has ended (${state}); there is nothing to cancel any more.`,
    );
  }
  if (answer === 'already-requested') return promotionId;
  await insertEvent(tx, {
    type: 'promotion.cancel-requested',
    actor: `principal:${principalId}`,
    subject: `promotion:${promotionId}`,
    promotionId,
    data: { reason },
    traceId: context.traceId,
  });
  const input: CancelPromotionSignal = { requestedBy: principalId, reason };
  await enqueueOutbox(tx, {
    kind: 'signal-workflow',
    body: {
      workflowId: promotionWorkflowId(tenantId, promotionId),
      signal: PROMOTION_MESSAGES.cancelPromotion,
      input,
    },
  });
  return promotionId;
}
