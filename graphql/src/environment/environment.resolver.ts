import { Args, Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { listEnvironments } from '@sluice/persistence';
import { environmentLease } from '@sluice/temporal-contract';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { NameArgs } from '../common/name.args.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import {
  type EnvironmentView,
  environmentView,
  leaseView,
  targetView,
} from './environment.view.ts';

/** Places, in promotion order. */
@Resolver('Environment')
export class EnvironmentResolver {
  @Query('environments')
  async environments(@Context() { inTenant }: GraphqlContext) {
    return (await inTenant((tx) => listEnvironments(tx))).map(environmentView);
  }

  @Query('environment')
  async environment(
    @Args(new InputPipe(NameArgs)) { name }: NameArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    const record = await loaders.environment(name);
    return record === undefined || record.removedAt !== null ? null : environmentView(record);
  }

  @ResolveField('targets')
  async targets(@Parent() { name }: EnvironmentView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.targetsOf(name)).map(targetView);
  }

  @ResolveField('promotions')
  async promotions(
    @Parent() { name }: EnvironmentView,
    @Args() args: PageArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    return connectionOf(
      await loaders.promotionsOfEnvironment(name, readPage(args, 20)),
      promotionView,
    );
  }

  @ResolveField('lease')
  async lease(@Parent() { name }: EnvironmentView, @Context() { loaders }: GraphqlContext) {
    const record = await loaders.leaseOf(environmentLease(name));
    return record === undefined ? null : leaseView(record);
  }
}
