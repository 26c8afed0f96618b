import { Args, Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import type { WatchState } from '@sluice/domain';
import { listWatches } from '@sluice/persistence';
import { storedWord } from '../common/enum-name.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { type PromotionView, promotionView } from '../promotion/promotion.view.ts';
import { type WatchView, watchView } from './watch.view.ts';
import { WatchesArgs } from './watches.args.ts';

/** Releases that are watched after they were out. */
@Resolver('ReleaseWatch')
export class WatchResolver {
  @Query('watches')
  async watches(
    @Args(new InputPipe(WatchesArgs)) { environment, state }: WatchesArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const asked = {
      environment: environment ?? undefined,
      state: state == null ? undefined : (storedWord(state) as WatchState),
    };
    return (await inTenant((tx) => listWatches(tx, asked))).map(watchView);
  }

  @ResolveField('promotion')
  async promotion(@Parent() { promotionId }: WatchView, @Context() { loaders }: GraphqlContext) {
    return promotionView(await loaders.getPromotion(promotionId));
  }

  @ResolveField('rollback')
  async rollback(@Parent() { rollbackId }: WatchView, @Context() { loaders }: GraphqlContext) {
    return rollbackId === null ? null : promotionView(await loaders.getPromotion(rollbackId));
  }
}

/** The watch that followed a promotion. */
@Resolver('Promotion')
export class PromotionWatchResolver {
  @ResolveField('watch')
  async watch(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    const record = await loaders.watchOf(id);
    return record === undefined ? null : watchView(record);
  }
}
