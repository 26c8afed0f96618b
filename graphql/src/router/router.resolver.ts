import { Inject } from '@nestjs/common';
import { Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { listRouters } from '@sluice/persistence';
import { agentView } from '../agent/agent.view.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { environmentView } from '../environment/environment.view.ts';
import { type RouterView, routerView, routeView } from './router.view.ts';

/** What requests go through. */
@Resolver('Router')
export class RouterResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @Query('routers')
  async routers(@Context() { inTenant }: GraphqlContext) {
    return (await inTenant((tx) => listRouters(tx))).map(routerView);
  }

  @ResolveField('environment')
  async environment(
    @Parent() { environmentName }: RouterView,
    @Context() { loaders }: GraphqlContext,
  ) {
    return environmentView(await loaders.getEnvironment(environmentName));
  }

  @ResolveField('agent')
  async agent(@Parent() { name }: RouterView, @Context() { loaders }: GraphqlContext) {
    const record = await loaders.agentOf(name);
    return record === undefined ? null : agentView(record, this.#parts.now(), this.#parts.agents);
  }

  @ResolveField('route')
  async route(@Parent() { name }: RouterView, @Context() { loaders }: GraphqlContext) {
    const record = await loaders.routeOf(name);
    return record === undefined ? null : routeView(record);
  }
}
