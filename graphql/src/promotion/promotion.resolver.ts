import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { listPromotions } from '@sluice/persistence';
import { approvalRequestView } from '../approval/approval.view.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { loadDifference } from '../difference/index.ts';
import { environmentView } from '../environment/environment.view.ts';
import { eventView } from '../event/event.view.ts';
import { statementView } from '../evidence/statement.view.ts';
import { releaseView } from '../release/release.view.ts';
import { rolloutView } from '../rollout/rollout.view.ts';
import { CancelPromotionInput } from './cancel-promotion.input.ts';
import { PromotionCommands } from './promotion.commands.ts';
import {
  decisionView,
  deploymentView,
  type PromotionView,
  promotionView,
  stepView,
} from './promotion.view.ts';
import { type PromotionFilterArg, readPromotionFilter } from './promotion-filter.ts';
import { PromotionIdArgs } from './promotion-id.args.ts';
import { RequestPromotionInput } from './request-promotion.input.ts';

/** Promotions: what was asked for, how it goes, and what it left behind. */
@Resolver('Promotion')
export class PromotionResolver {
  readonly #commands: PromotionCommands;

  constructor(@Inject(PromotionCommands) commands: PromotionCommands) {
    this.#commands = commands;
  }

  @Query('promotion')
  async promotion(
    @Args(new InputPipe(PromotionIdArgs)) { id }: PromotionIdArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    const record = await loaders.promotion(id);
    return record === undefined ? null : promotionView(record);
  }

  @Query('promotions')
  async promotions(
    @Args() args: PageArgs & { readonly filter?: PromotionFilterArg | null },
    @Context() { inTenant }: GraphqlContext,
  ) {
    const page = { ...readPage(args, 20), filter: readPromotionFilter(args.filter) };
    return connectionOf(await inTenant((tx) => listPromotions(tx, page)), promotionView);
  }

  @Mutation('requestPromotion')
  requestPromotion(
    @Args('input', new InputPipe(RequestPromotionInput)) input: RequestPromotionInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.request(context, input);
  }

  @Mutation('cancelPromotion')
  cancelPromotion(
    @Args('input', new InputPipe(CancelPromotionInput)) input: CancelPromotionInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.cancel(context, input);
  }

  @ResolveField('release')
  async release(
    @Parent() { releaseDigest }: PromotionView,
    @Context() { loaders }: GraphqlContext,
  ) {
    return releaseView(await loaders.getRelease(releaseDigest));
  }

  @ResolveField('environment')
  async environment(
    @Parent() { environmentName }: PromotionView,
    @Context() { loaders }: GraphqlContext,
  ) {
    return environmentView(await loaders.getEnvironment(environmentName));
  }

  @ResolveField('steps')
  async steps(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.stepsOf(id)).map(stepView);
  }

  @ResolveField('decision')
  async decision(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    const newest = (await loaders.decisionsOf(id)).at(-1);
    return newest === undefined ? null : decisionView(newest.body);
  }

  @ResolveField('deployments')
  async deployments(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.deploymentsOf(id)).map(deploymentView);
  }

  @ResolveField('evidence')
  async evidence(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.statementsOf(id)).map(statementView);
  }

  @ResolveField('approval')
  async approval(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    const newest = (await loaders.approvalRequestsOf(id)).at(-1);
    return newest === undefined ? null : approvalRequestView(newest);
  }

  @ResolveField('approvals')
  async approvals(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.approvalRequestsOf(id)).map(approvalRequestView);
  }

  @ResolveField('rollouts')
  async rollouts(@Parent() promotion: PromotionView, @Context() { loaders }: GraphqlContext) {
    const rollouts = await loaders.rolloutsOf(promotion.id);
    return rollouts.map((record) => rolloutView(record, promotion));
  }

  @ResolveField('difference')
  difference(@Parent() { id }: PromotionView, @Context() context: GraphqlContext) {
    return loadDifference(context, id);
  }

  @ResolveField('packet')
  packet(@Parent() { packetDigest }: PromotionView) {
    return packetDigest === null ? null : { digest: packetDigest };
  }

  @ResolveField('events')
  async events(
    @Parent() { id }: PromotionView,
    @Args() args: PageArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    return connectionOf(await loaders.eventsOf(id, readPage(args, 50)), eventView);
  }
}
