import { Args, Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { targetView } from '../environment/environment.view.ts';
import { PreviewPromotionArgs } from './preview.args.ts';
import { previewPromotion } from './preview-promotion.ts';

/** What a promotion would do. */
@Resolver('PreviewTarget')
export class PreviewResolver {
  @Query('previewPromotion')
  previewPromotion(
    @Args(new InputPipe(PreviewPromotionArgs)) args: PreviewPromotionArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    return inTenant((tx) => previewPromotion(tx, args));
  }

  @ResolveField('target')
  async target(
    @Parent() { targetName }: { readonly targetName: string },
    @Context() { loaders }: GraphqlContext,
  ) {
    return targetView(await loaders.getTarget(targetName));
  }
}
