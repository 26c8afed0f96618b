import { Inject } from '@nestjs/common';
import { Args, Context, Parent, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import { approvalRequestView } from '../approval/approval.view.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { eventView } from '../event/event.view.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import { type ApprovalNotice, followApprovals } from './follow-approvals.ts';
import type { LinkedEvent } from './follow-events.ts';
import { followPromotion } from './follow-promotion.ts';
import { readPosition } from './position.ts';
import { PromotionProgressArgs } from './promotion-progress.args.ts';

/** What happens, as it happens. Each value is resolved from what the records say when it is handed out. */
@Resolver()
export class SubscriptionResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @Subscription('promotionProgress', {
    resolve: (event: LinkedEvent) => ({
      position: String(event.position),
      event: eventView(event),
      promotionId: event.promotionId,
    }),
  })
  promotionProgress(
    @Args(new InputPipe(PromotionProgressArgs)) { promotion, after }: PromotionProgressArgs,
    @Context() context: GraphqlContext,
  ) {
    return followPromotion(context, this.#parts.wakeups, promotion, readPosition(after) ?? 0);
  }

  @Subscription('approvalNotices', {
    resolve: ({ event, request }: ApprovalNotice) => ({
      position: String(event.position),
      event: eventView(event),
      approval: approvalRequestView(request),
    }),
  })
  approvalNotices(
    @Args() { after }: { readonly after?: string | null },
    @Context() context: GraphqlContext,
  ) {
    return followApprovals(context, this.#parts.wakeups, readPosition(after));
  }
}

/** One event of a promotion. */
@Resolver('PromotionProgress')
export class PromotionProgressResolver {
  @ResolveField('promotion')
  async promotion(
    @Parent() { promotionId }: { readonly promotionId: string },
    @Context() { loaders }: GraphqlContext,
  ) {
    return promotionView(await loaders.getPromotion(promotionId));
  }
}
