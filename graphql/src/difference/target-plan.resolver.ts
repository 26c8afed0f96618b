import { Context, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { targetView } from '../environment/environment.view.ts';
import type { PlanSideView, TargetPlanView } from './difference.view.ts';

/** One target's plan. */
@Resolver('TargetPlan')
export class TargetPlanResolver {
  @ResolveField('target')
  async target(@Parent() { targetName }: TargetPlanView, @Context() { loaders }: GraphqlContext) {
    return targetView(await loaders.getTarget(targetName));
  }
}

/** What a target has, or would have. Null where the release is not known by name any more. */
@Resolver('PlanSide')
export class PlanSideResolver {
  @ResolveField('name')
  async name(@Parent() { release }: PlanSideView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.release(release))?.name ?? null;
  }

  @ResolveField('version')
  async version(@Parent() { release }: PlanSideView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.release(release))?.version ?? null;
  }
}
