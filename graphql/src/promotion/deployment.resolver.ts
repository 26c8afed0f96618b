import { Context, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { targetView } from '../environment/environment.view.ts';
import type { DeploymentView } from './promotion.view.ts';

/** One target's part of a promotion. */
@Resolver('Deployment')
export class DeploymentResolver {
  @ResolveField('target')
  async target(@Parent() { targetName }: DeploymentView, @Context() { loaders }: GraphqlContext) {
    return targetView(await loaders.getTarget(targetName));
  }
}
