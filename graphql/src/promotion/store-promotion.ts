import type { JsonValue, PipelineStep, PromotionKind } from '@sluice/domain';
import { type AskedRollback, insertRequestedPromotion, type Tx } from '@sluice/persistence';
import { startOfPromotion } from '@sluice/temporal-contract';
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
  const { environment, releaseDigest, kind, steps } = asked;
  const { tenantId, principalId, personId } = principalOf(context);
  const { traceId, traceparent } = context;
  const requested = {
    ...asked,
    steps: steps.map(({ id, type }) => ({ id, type })),
    requestedBy: principalId,
    requestedPerson: personId,
    actor: `principal:${principalId}`,
    traceId,
    traceparent,
  };
  return insertRequestedPromotion(tx, requested, (promotionId) =>
    startOfPromotion({
      promotion: { tenantId, promotionId },
      environment,
      releaseDigest,
      kind,
      traceparent,
    }),
  );
}
