import { Args, Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { type CurrentReleaseRecord, listEnvironments } from '@sluice/persistence';
import { environmentLease } from '@sluice/temporal-contract';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { NameArgs } from '../common/name.args.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import { releaseView } from '../release/release.view.ts';
import { routerView } from '../router/router.view.ts';
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

  @ResolveField('routers')
  async routers(@Parent() { name }: EnvironmentView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.routersOf(name)).map(routerView);
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

  @ResolveField('verifiedRelease')
  async verifiedRelease(
    @Parent() { name }: EnvironmentView,
    @Context() { loaders }: GraphqlContext,
  ) {
    const targets = await loaders.targetsOf(name);
    const current = await Promise.all(
      targets.map((target) => loaders.currentReleaseOf(target.name)),
    );
    // Every target of a success is written in one transaction; a target that came later has an older one.
    const newest = current
      .filter((record) => record !== undefined)
      .reduce<CurrentReleaseRecord | undefined>(
        (last, next) => (last === undefined || next.since > last.since ? next : last),
        undefined,
      );
    const digest = newest?.releaseDigest ?? null;
    return digest === null ? null : releaseView(await loaders.getRelease(digest));
  }

  @ResolveField('lease')
  async lease(@Parent() { name }: EnvironmentView, @Context() { loaders }: GraphqlContext) {
    const record = await loaders.leaseOf(environmentLease(name));
    return record === undefined ? null : leaseView(record);
  }
}
