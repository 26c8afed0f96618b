import type { JsonValue, PipelineStep, PromotionKind } from '@sluice/domain';
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
    /** None where they are known when the rules are frozen. */
    readonly steps: readonly Pick<PipelineStep, 'id' | 'type'>[];
    /** For its pipeline; none of a rollback. */
    readonly parameters?: Readonly<Record<string, JsonValue>>;
    /** Of a rollback, and of nothing else. */
    readonly rollback?: AskedRollback;
    /** More that the event says. */
    readonly data?: Readonly<Record<string, unknown>>;
  },
): Promise<string> {
  const { environment, releaseDigest, kind, steps, parameters, rollback } = asked;
  const { tenantId, principalId, personId } = principalOf(context);
  const { traceId, traceparent } = context;
  const { promotionId } = await insertPromotion(tx, {
    environment,
    releaseDigest,
    kind,
    requestedBy: principalId,
    requestedPerson: personId,
    rollback,
    parameters,
    traceparent,
    steps: steps.map(({ id, type }) => ({ id, type })),
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
