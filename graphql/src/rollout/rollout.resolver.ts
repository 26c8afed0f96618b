import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import { routerView } from '../router/router.view.ts';
import { memberCountsView } from '../step/member-counts.view.ts';
import { RolloutCommands } from './rollout.commands.ts';
import {
  analysisView,
  type RolloutStageView,
  type RolloutView,
  routeChangeView,
  stageTargetView,
  stageViews,
  steerView,
} from './rollout.view.ts';
import { SteerRolloutInput } from './steer-rollout.input.ts';

/** Rollouts: where they stand, what moved them, and who. */
@Resolver('Rollout')
export class RolloutResolver {
  readonly #commands: RolloutCommands;

  constructor(@Inject(RolloutCommands) commands: RolloutCommands) {
    this.#commands = commands;
  }

  @Mutation('steerRollout')
  steerRollout(
    @Args('input', new InputPipe(SteerRolloutInput)) input: SteerRolloutInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.steer(context, input);
  }

  @ResolveField('promotion')
  async promotion(@Parent() { record }: RolloutView, @Context() { loaders }: GraphqlContext) {
    return promotionView(await loaders.getPromotion(record.promotionId));
  }

  @ResolveField('stages')
  async stages(@Parent() { record }: RolloutView, @Context() { loaders }: GraphqlContext) {
    return stageViews(record, await loaders.steersOf(record.promotionId));
  }

  @ResolveField('router')
  async router(@Parent() { record }: RolloutView, @Context() { loaders }: GraphqlContext) {
    const { router } = record.layout;
    return router === null ? null : routerView(await loaders.getTarget(router));
  }

  @ResolveField('routeChanges')
  async routeChanges(@Parent() { record }: RolloutView, @Context() { loaders }: GraphqlContext) {
    const changes = await loaders.routeChangesOf(record.promotionId);
    return changes.filter((change) => isOf(change, record)).map(routeChangeView);
  }

  @ResolveField('steers')
  async steers(@Parent() { record }: RolloutView, @Context() { loaders }: GraphqlContext) {
    const steers = await loaders.steersOf(record.promotionId);
    // One that was never admitted has no round: it is shown with the newest.
    return steers
      .filter(
        ({ stepId, round }) => stepId === record.stepId && (round ?? record.round) === record.round,
      )
      .map(steerView);
  }
}

/** A stage: its targets, and what watching it came to. */
@Resolver('RolloutStage')
export class RolloutStageResolver {
  @ResolveField('memberCounts')
  async memberCounts(@Parent() { key }: RolloutStageView, @Context() { loaders }: GraphqlContext) {
    const counts = await loaders.stageCountsOf(key);
    return memberCountsView(
      Object.fromEntries(counts.map(({ state, members }) => [state, members])),
    );
  }

  @ResolveField('targets')
  async targets(@Parent() { key }: RolloutStageView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.stageMembersOf(key)).map(stageTargetView);
  }

  @ResolveField('analysis')
  async analysis(
    @Parent() { rollout, index }: RolloutStageView,
    @Context() { loaders }: GraphqlContext,
  ) {
    const analyses = await loaders.analysesOf(rollout.promotionId);
    const found = analyses.find((one) => one.stage === index && isOf(one, rollout));
    return found === undefined ? null : analysisView(found);
  }
}

interface OfRollout {
  readonly stepId: string;
  readonly round: number;
}

function isOf(one: OfRollout, rollout: OfRollout): boolean {
  return one.stepId === rollout.stepId && one.round === rollout.round;
}
