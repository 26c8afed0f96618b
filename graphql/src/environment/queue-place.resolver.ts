import { Context, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import type { ApprovalRecord, ApprovalRequestRecord } from '@sluice/persistence';
import { approvalFactsOf } from '../approval/approval-facts.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import type { QueuePlaceView } from './environment.view.ts';
import { explainPlace, type PlaceFacts } from './explain-place.ts';

/** One promotion's place in the queue of an environment. */
@Resolver('QueuePlace')
export class QueuePlaceResolver {
  @ResolveField('promotion')
  async promotion(
    @Parent() { promotionId }: QueuePlaceView,
    @Context() { loaders }: GraphqlContext,
  ) {
    return promotionView(await loaders.getPromotion(promotionId));
  }

  @ResolveField('reason')
  async reason(
    @Parent() { promotionId, ready, leaseHolder }: QueuePlaceView,
    @Context() { loaders }: GraphqlContext,
  ) {
    const [promotion, steps, rounds, said] = await Promise.all([
      loaders.getPromotion(promotionId),
      loaders.stepsOf(promotionId),
      loaders.approvalRequestsOf(promotionId),
      loaders.approvalsOf(promotionId),
    ]);
    const newest = rounds.at(-1);
    return explainPlace({
      ready,
      holder: leaseHolder,
      state: promotion.state,
      steps: steps.map(({ stepId, state }) => ({ id: stepId, state })),
      approval: newest === undefined ? undefined : approvalOf(newest, said),
    });
  }
}

function approvalOf(
  request: ApprovalRequestRecord,
  said: readonly ApprovalRecord[],
): NonNullable<PlaceFacts['approval']> {
  const { state, rule, deadline } = request;
  const approved = approvalFactsOf(request, said).votes.filter(
    ({ decision }) => decision === 'approve',
  );
  return {
    state,
    count: rule.count,
    roles: rule.roles,
    approved: approved.length,
    deadline,
  };
}
