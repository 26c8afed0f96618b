import { Inject } from '@nestjs/common';
import { Args, Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { isRouter } from '@sluice/domain';
import { listTargets } from '@sluice/persistence';
import { agentView } from '../agent/agent.view.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { NameArgs } from '../common/name.args.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { releaseView } from '../release/release.view.ts';
import { environmentView, type TargetView, targetView } from './environment.view.ts';

/** Where things are put. */
@Resolver('Target')
export class TargetResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @Query('targets')
  async targets(@Context() { inTenant }: GraphqlContext) {
    return (await inTenant((tx) => listTargets(tx))).map(targetView);
  }

  @Query('target')
  async target(
    @Args(new InputPipe(NameArgs)) { name }: NameArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    const record = await loaders.target(name);
    const isThere = record !== undefined && record.removedAt === null && !isRouter(record);
    return isThere ? targetView(record) : null;
  }

  @ResolveField('environment')
  async environment(
    @Parent() { environmentName }: TargetView,
    @Context() { loaders }: GraphqlContext,
  ) {
    return environmentView(await loaders.getEnvironment(environmentName));
  }

  @ResolveField('agent')
  async agent(@Parent() { name }: TargetView, @Context() { loaders }: GraphqlContext) {
    const record = await loaders.agentOf(name);
    return record === undefined ? null : agentView(record, this.#parts.now(), this.#parts.agents);
  }

  @ResolveField('currentRelease')
  async currentRelease(@Parent() { name }: TargetView, @Context() { loaders }: GraphqlContext) {
    const digest = (await loaders.currentReleaseOf(name))?.releaseDigest ?? null;
    return digest === null ? null : releaseView(await loaders.getRelease(digest));
  }
}
