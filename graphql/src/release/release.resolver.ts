import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { isName } from '@sluice/domain';
import { findReleaseByVersion, findReleaseRequest, listReleases } from '@sluice/persistence';
import { badUserInput } from '../common/bad-user-input.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import { CreateReleaseInput } from './create-release.input.ts';
import { ReleaseIdArgs, ReleaseRequestIdArgs, ReleaseVersionArgs } from './release.args.ts';
import { ReleaseCommands } from './release.commands.ts';
import { type ReleaseView, releaseRequestView, releaseView } from './release.view.ts';

/** Releases, and requests to make them. */
@Resolver('Release')
export class ReleaseResolver {
  readonly #commands: ReleaseCommands;

  constructor(@Inject(ReleaseCommands) commands: ReleaseCommands) {
    this.#commands = commands;
  }

  @Query('releases')
  async releases(
    @Args() args: PageArgs & { readonly name?: string | null },
    @Context() { inTenant }: GraphqlContext,
  ) {
    const name = args.name ?? null;
    if (name !== null && !isName(name)) throw badUserInput('name: write a DNS label.', 'name');
    const page = { ...readPage(args, 20), name };
    return connectionOf(await inTenant((tx) => listReleases(tx, page)), releaseView);
  }

  @Query('release')
  async release(
    @Args(new InputPipe(ReleaseIdArgs)) { id }: ReleaseIdArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    const record = await loaders.release(id);
    return record === undefined ? null : releaseView(record);
  }

  @Query('releaseByVersion')
  async releaseByVersion(
    @Args(new InputPipe(ReleaseVersionArgs)) { name, version }: ReleaseVersionArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const record = await inTenant((tx) => findReleaseByVersion(tx, name, version));
    return record === undefined ? null : releaseView(record);
  }

  @Query('releaseRequest')
  async releaseRequest(
    @Args(new InputPipe(ReleaseRequestIdArgs)) { id }: ReleaseRequestIdArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const record = await inTenant((tx) => findReleaseRequest(tx, id));
    return record === undefined ? null : releaseRequestView(record);
  }

  @Mutation('createRelease')
  createRelease(
    @Args('input', new InputPipe(CreateReleaseInput)) input: CreateReleaseInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.create(context, input);
  }

  @ResolveField('promotions')
  async promotions(
    @Parent() { id }: ReleaseView,
    @Args() args: PageArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    return connectionOf(await loaders.promotionsOfRelease(id, readPage(args, 20)), promotionView);
  }
}
