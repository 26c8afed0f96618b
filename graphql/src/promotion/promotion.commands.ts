import { Injectable } from '@nestjs/common';
import {
  answerOnce,
  enqueueOutbox,
  findEnvironment,
  findPipeline,
  findPromotion,
  findRelease,
  getPromotion,
  insertEvent,
  insertPromotion,
  listTargetsOf,
  requestCancel,
  type Tx,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import {
  type CancelPromotionSignal,
  PROMOTION_MESSAGES,
  type PromoteReleaseInput,
  promotionWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { idempotencyConflict, notFound, stateConflict } from '../common/refusal.ts';
import type { CancelPromotionInput } from './cancel-promotion.input.ts';
import { type PromotionView, promotionView } from './promotion.view.ts';
import type { RequestPromotionInput } from './request-promotion.input.ts';

/** Mutations of promotions: each writes rows and the engine's call in one transaction, never an effect. */
@Injectable()
export class PromotionCommands {
  /** Asks for a promotion; a repeated key gives the same promotion as it is now. */
  async request(context: GraphqlContext, input: RequestPromotionInput): Promise<PromotionView> {
    const { release, environment, idempotencyKey } = input;
    return this.#once(context, 'requestPromotion', idempotencyKey, { release, environment }, (tx) =>
      requestPromotion(tx, context, release, environment),
    );
  }

  /** Asks for a promotion's end. */
  async cancel(context: GraphqlContext, input: CancelPromotionInput): Promise<PromotionView> {
    const { promotion, reason, idempotencyKey } = input;
    return this.#once(context, 'cancelPromotion', idempotencyKey, { promotion, reason }, (tx) =>
      cancelPromotion(tx, context, promotion, reason),
    );
  }

  async #once(
    context: GraphqlContext,
    operation: string,
    key: string,
    payload: Readonly<Record<string, string>>,
    give: (tx: Tx) => Promise<string>,
  ): Promise<PromotionView> {
    const { principalId } = principalOf(context);
    const payloadDigest = digestOf(payload);
    return context.inTenant(async (tx) => {
      const once = await answerOnce(tx, { principalId, operation, key, payloadDigest }, () =>
        give(tx),
      );
      if (once.kind === 'conflict') throw idempotencyConflict(operation);
      return promotionView(await getPromotion(tx, once.answer));
    });
  }
}

async function requestPromotion(
  tx: Tx,
  context: GraphqlContext,
  releaseDigest: string,
  environmentName: string,
): Promise<string> {
  const { tenantId, principalId } = principalOf(context);
  const { traceId, traceparent } = context;
  if ((await findRelease(tx, releaseDigest)) === undefined) {
    throw notFound('release-unknown', `There is no release ${releaseDigest}; create it first.`);
  }
  const environment = await findEnvironment(tx, environmentName);
  if (environment === undefined) {
    throw notFound(
      'environment-unknown',
      `There is no environment ${environmentName}; name one that the configuration declares.`,
    );
  }
  if ((await listTargetsOf(tx, [environmentName])).length === 0) {
    throw stateConflict(
      'environment-without-targets',
      `Environment ${environmentName} has no targets; declare one in the configuration.`,
    );
  }
  const pipeline = await findPipeline(tx, environment.pipeline);
  if (pipeline === undefined) {
    throw stateConflict(
      'pipeline-unknown',
      `Environment ${environmentName} names the pipeline ${environment.pipeline}, which is not there; apply the configuration again.`,
    );
  }
  const { promotionId } = await insertPromotion(tx, {
    environment: environmentName,
    releaseDigest,
    kind: 'promote',
    requestedBy: principalId,
    traceparent,
    steps: pipeline.body.steps.map(({ id, type }) => ({ id, type })),
  });
  await insertEvent(tx, {
    type: 'promotion.requested',
    actor: `principal:${principalId}`,
    subject: `promotion:${promotionId}`,
    promotionId,
    data: { release: releaseDigest, environment: environmentName, kind: 'promote' },
    traceId,
  });
  const input: PromoteReleaseInput = {
    promotion: { tenantId, promotionId },
    environment: environmentName,
    releaseDigest,
    kind: 'promote',
    traceparent,
  };
  await enqueueOutbox(tx, {
    kind: 'start-workflow',
    body: {
      workflowId: promotionWorkflowId(tenantId, promotionId),
      workflowType: WORKFLOWS.promoteRelease,
      taskQueue: TASK_QUEUES.control,
      input,
      searchAttributes: { tenant: tenantId, environment: environmentName, release: releaseDigest },
    },
  });
  return promotionId;
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
