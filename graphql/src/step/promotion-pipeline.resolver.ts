import { Context, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { resolvedPipelineView } from '../pipeline/pipeline.view.ts';
import type { PromotionView } from '../promotion/promotion.view.ts';
import { composeCompensation } from './compose-compensation.ts';
import { frozenPipelineOf, frozenRulesOf } from './frozen-pipeline.ts';

/** The pipeline that a promotion holds to, and what was undone of what it did. */
@Resolver('Promotion')
export class PromotionPipelineResolver {
  @ResolveField('pipeline')
  async pipeline(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    const rules = frozenRulesOf(await loaders.getPromotion(id));
    if (rules === null) return null;
    const { name, version } = rules.pipeline;
    return { name, version, digest: rules.pipelineDigest };
  }

  @ResolveField('resolvedPipeline')
  async resolvedPipeline(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    const pipeline = await frozenPipelineOf(loaders, id);
    if (pipeline === null) return null;
    const rules = frozenRulesOf(await loaders.getPromotion(id));
    return resolvedPipelineView(pipeline, rules?.pipelineDigest);
  }

  @ResolveField('compensation')
  async compensation(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    const [pipeline, promotion, steps, deployments, counts] = await Promise.all([
      frozenPipelineOf(loaders, id),
      loaders.getPromotion(id),
      loaders.stepsOf(id),
      loaders.deploymentsOf(id),
      loaders.memberCountsOf(id),
    ]);
    if (pipeline === null) return null;
    return composeCompensation({
      state: promotion.state,
      pipeline,
      steps,
      counts: new Map(counts.map((each) => [each.stepId, each.counts])),
      touched: new Map(counts.map((each) => [each.stepId, each.touched])),
      unsure: new Map(counts.map((each) => [each.stepId, each.unsure])),
      deployments,
      stepTypes: BUILT_IN_STEP_TYPES,
    });
  }
}
