import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { isPermitted } from '@sluice/domain';
import {
  type ApprovalRequestRecord,
  listWaitingApprovals,
  type Page,
  readChainHead,
} from '@sluice/persistence';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { loadDifference } from '../difference/index.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import { ApprovalCommands } from './approval.commands.ts';
import {
  type ApprovalRequestView,
  approvalRecordView,
  approvalRequestView,
} from './approval.view.ts';
import { approvalFactsOf, findBlock } from './approval-facts.ts';
import { DecideApprovalInput } from './decide-approval.input.ts';

const NONE: Page<ApprovalRequestRecord> = { edges: [], hasNextPage: false, endCursor: null };

/** Requests for approval: who is asked, what they look at, what they said. */
@Resolver('ApprovalRequest')
export class ApprovalResolver {
  readonly #commands: ApprovalCommands;
  readonly #parts: GraphqlParts;

  constructor(
    @Inject(ApprovalCommands) commands: ApprovalCommands,
    @Inject(GRAPHQL_PARTS) parts: GraphqlParts,
  ) {
    this.#commands = commands;
    this.#parts = parts;
  }

  @Query('approvals')
  async approvals(
    @Args() args: PageArgs & { readonly all?: boolean | null },
    @Context() context: GraphqlContext,
  ) {
    const page = readPage(args, 20);
    const voter = principalOf(context);
    return context.inTenant(async (tx) => {
      // Read before the rows: what changes between the two is told again to who resumes there, never left out.
      const position = await readChainHead(tx);
      const isMine = args.all !== true;
      // A rule may name a role that can't decide anything: nothing waits for its holders.
      if (isMine && !isPermitted(voter.role, 'promotion.decide')) {
        return { ...connectionOf(NONE, approvalRequestView), position: String(position) };
      }
      const scope = isMine ? { voter } : {};
      const found = await listWaitingApprovals(tx, { ...page, ...scope });
      return { ...connectionOf(found, approvalRequestView), position: String(position) };
    });
  }

  @Mutation('decideApproval')
  decideApproval(
    @Args('input', new InputPipe(DecideApprovalInput)) input: DecideApprovalInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.decide(context, input);
  }

  @ResolveField('promotion')
  async promotion(
    @Parent() { record }: ApprovalRequestView,
    @Context() { loaders }: GraphqlContext,
  ) {
    return promotionView(await loaders.getPromotion(record.promotionId));
  }

  @ResolveField('decisions')
  async decisions(
    @Parent() { record }: ApprovalRequestView,
    @Context() { loaders }: GraphqlContext,
  ) {
    const said = await loaders.approvalsOf(record.promotionId);
    // One that was never admitted has no round: it is shown where the plan is that it looked at.
    return said
      .filter(({ round, stepId, planDigest }) =>
        round === null
          ? planDigest === record.planDigest
          : round === record.round && (stepId ?? record.stepId) === record.stepId,
      )
      .map(approvalRecordView);
  }

  @ResolveField('blockedForMe')
  async blockedForMe(
    @Parent() { record }: ApprovalRequestView,
    @Context() context: GraphqlContext,
  ) {
    const said = await context.loaders.approvalsOf(record.promotionId);
    const facts = approvalFactsOf(record, said);
    return findBlock(facts, principalOf(context), this.#parts.now()) ?? null;
  }

  @ResolveField('difference')
  difference(@Parent() { record }: ApprovalRequestView, @Context() context: GraphqlContext) {
    return loadDifference(context, record.promotionId, record.planDigest);
  }
}
