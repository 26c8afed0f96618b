import type { Pipeline, PromotionKind } from '@sluice/domain';
import {
  type AskedRollback,
  enqueueOutbox,
  insertEvent,
  insertPromotion,
  type Tx,
} from '@sluice/persistence';
import {
  type PromoteReleaseInput,
  promotionWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';

/** Stores a promotion with its steps, its event and the engine's call; gives its id. */
export async function storePromotion(
  tx: Tx,
  context: GraphqlContext,
  asked: {
    readonly environment: string;
    readonly releaseDigest: string;
    readonly kind: PromotionKind;
    readonly pipeline: Pipeline;
    /** Of a rollback, and of nothing else. */
    readonly rollback?: AskedRollback;
    /** More that the event says. */
    readonly data?: Readonly<Record<string, unknown>>;
  },
): Promise<string> {
  const { environment, releaseDigest, kind, pipeline, rollback } = asked;
  const { tenantId, principalId, personId } = principalOf(context);
  const { traceId, traceparent } = context;
  const { promotionId } = await insertPromotion(tx, {
    environment,
    releaseDigest,
    kind,
    requestedBy: principalId,
    requestedPerson: personId,
    rollback,
    traceparent,
    steps: pipeline.steps.map(({ id, type }) => ({ id, type })),
  });
  await insertEvent(tx, {
    type: 'promotion.requested',
    actor: `principal:${principalId}`,
    subject: `promotion:${promotionId}`,
    promotionId,
    data: { release: releaseDigest, environment, kind, ...asked.data },
    traceId,
  });
  const input: PromoteReleaseInput = {
    promotion: { tenantId, promotionId },
    environment,
    releaseDigest,
    kind,
    traceparent,
  };
  await enqueueOutbox(tx, {
    kind: 'start-workflow',
    body: {
      workflowId: promotionWorkflowId(tenantId, promotionId),
      workflowType: WORKFLOWS.promoteRelease,
      taskQueue: TASK_QUEUES.control,
      input,
      searchAttributes: { tenant: tenantId, environment, release: releaseDigest },
    },
  });
  return promotionId;
}
