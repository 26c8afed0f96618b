import { Injectable } from '@nestjs/common';
import { isNothing } from '@sluice/domain';
import {
  enqueueOutbox,
  findPipeline,
  findPromotion,
  findRelease,
  getPromotion,
  insertEvent,
  isVerified,
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
import { requireEnvironment } from '../environment/require-environment.ts';
import type { CancelPromotionInput } from './cancel-promotion.input.ts';
import { type PromotionView, promotionView } from './promotion.view.ts';
import type { RequestPromotionInput } from './request-promotion.input.ts';
import { storePromotion } from './store-promotion.ts';

/** Mutations of promotions: each writes rows and the engine's call in one transaction, never an effect. */
@Injectable()
export class PromotionCommands {
  /** Asks for a promotion; a repeated key gives the same promotion as it is now. */
  async request(context: GraphqlContext, input: RequestPromotionInput): Promise<PromotionView> {
    const { release, environment, idempotencyKey } = input;
    return context.inTenant(async (tx) => {
      const id = await answerCommand(
        tx,
        context,
        'requestPromotion',
        idempotencyKey,
        { release, environment },
        () => requestPromotion(tx, context, release, environment),
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

async function requestPromotion(
  tx: Tx,
  context: GraphqlContext,
  releaseDigest: string,
  environmentName: string,
): Promise<string> {
  const release = await findRelease(tx, releaseDigest);
  if (release === undefined) {
    throw notFound('release-unknown', `There is no release ${releaseDigest}; create it first.`);
  }
  if (isNothing(release.body)) {
    throw stateConflict(
      'release-is-nothing',
      'An empty release is put somewhere by a rollback only; call rollbackEnvironment with NOTHING.',
    );
  }
  const environment = await requireEnvironment(tx, environmentName);
  for (const predecessor of environment.predecessors) {
    if (!(await isVerified(tx, { environment: predecessor, releaseDigest }))) {
      throw stateConflict(
        'predecessor-not-verified',
        `${release.name} ${release.version} is not verified in ${predecessor}, which comes before ${environmentName}; promote it there first.`,
      );
    }
  }
  const pipeline = await findPipeline(tx, environment.pipeline);
  if (pipeline === undefined) {
    throw stateConflict(
      'pipeline-unknown',
      `Environment ${environmentName} names the pipeline ${environment.pipeline}, which is not there; apply the configuration again.`,
    );
  }
  return storePromotion(tx, context, {
    environment: environmentName,
    releaseDigest,
    kind: 'promote',
    pipeline: pipeline.body,
  });
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
