import { Args, Context, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import type { MemberRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { targetView } from '../environment/environment.view.ts';
import type { StepView } from '../promotion/promotion.view.ts';
import { frozenPipelineOf } from './frozen-pipeline.ts';
import { memberCountsView } from './member-counts.view.ts';

/** What its pipeline says of a step, and the members that it ran for. */
@Resolver('Step')
export class StepResolver {
  @ResolveField('description')
  async description(@Parent() step: StepView, @Context() context: GraphqlContext) {
    return (await stepOf(context, step))?.description ?? null;
  }

  @ResolveField('needs')
  async needs(@Parent() step: StepView, @Context() context: GraphqlContext) {
    return (await stepOf(context, step))?.needs ?? [];
  }

  @ResolveField('memberCounts')
  async memberCounts(
    @Parent() { promotionId, id }: StepView,
    @Context() { loaders }: GraphqlContext,
  ) {
    const all = await loaders.memberCountsOf(promotionId);
    const found = all.find(({ stepId }) => stepId === id);
    return found === undefined ? null : memberCountsView(found.counts);
  }

  @ResolveField('members')
  async members(
    @Parent() { promotionId, id }: StepView,
    @Args() args: PageArgs,
    @Context() { loaders }: GraphqlContext,
  ) {
    const page = await loaders.membersOf(`${promotionId} ${id}`, readPage(args, 20));
    return connectionOf(page, memberView);
  }
}

/** The target of a member. */
@Resolver('StepMember')
export class StepMemberResolver {
  @ResolveField('target')
  async target(@Parent() { targetName }: MemberView, @Context() { loaders }: GraphqlContext) {
    return targetName === null ? null : targetView(await loaders.getTarget(targetName));
  }
}

async function stepOf({ loaders }: GraphqlContext, { promotionId, id }: StepView) {
  const pipeline = await frozenPipelineOf(loaders, promotionId);
  return pipeline?.steps.find((step) => step.id === id);
}

function memberView(record: MemberRecord) {
  const { index, key, target, value, state, reason, endedAt } = record;
  return {
    index,
    key,
    targetName: target,
    value: target === null && isShown(value) ? value : null,
    state: enumName(state),
    reason,
    settledAt: endedAt,
  };
}

/** A page holds a hundred of them. */
const MAX_SHOWN_BYTES = 16 * 1024;

function isShown(value: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(value)) <= MAX_SHOWN_BYTES;
}

type MemberView = ReturnType<typeof memberView>;
