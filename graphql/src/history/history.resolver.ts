import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { findBundle, listBundles } from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import type { PromotionView } from '../promotion/promotion.view.ts';
import { ExportHistoriesInput } from './export-histories.input.ts';
import { HistoryCommands } from './history.commands.ts';
import { archivedHistoryView, bundleView, problemView } from './history.view.ts';
import { ResetCommands } from './reset.commands.ts';
import { ResetPreviewArgs, ResetPromotionInput } from './reset-promotion.input.ts';
import { ResumePromotionInput } from './resume-promotion.input.ts';
import { WorkflowCodeArgs } from './workflow-code.args.ts';

/** Bytes of one kept bundle, gzipped, at most. */
const MAX_CODE_BYTES = 64 * 1024 * 1024;

/** Archived histories, the code that ran them, and what can be done about a promotion that does not go on. */
@Resolver('Promotion')
export class HistoryResolver {
  readonly #parts: GraphqlParts;
  readonly #histories: HistoryCommands;
  readonly #resets: ResetCommands;

  constructor(
    @Inject(GRAPHQL_PARTS) parts: GraphqlParts,
    @Inject(HistoryCommands) histories: HistoryCommands,
    @Inject(ResetCommands) resets: ResetCommands,
  ) {
    this.#parts = parts;
    this.#histories = histories;
    this.#resets = resets;
  }

  @ResolveField('histories')
  async histories(@Parent() { id }: PromotionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.historiesOf(id)).map(archivedHistoryView);
  }

  @ResolveField('problem')
  async problem(@Parent() promotion: PromotionView, @Context() { loaders }: GraphqlContext) {
    // Sealed: what its workflow still does changes nothing. The problem of what settles it counts more than its own.
    if (promotion.packetDigest !== null) return null;
    const problems = await loaders.problemsOf(promotion.id);
    const settling = problems.find(({ workflowId }) => workflowId.startsWith('settlement/'));
    const problem = settling ?? problems[0];
    return problem === undefined ? null : problemView(problem, promotion);
  }

  @Query('workflowBundles')
  async workflowBundles(@Context() { inTenant }: GraphqlContext) {
    return (await inTenant(listBundles)).map(bundleView);
  }

  @Query('workflowCode')
  async workflowCode(
    @Args(new InputPipe(WorkflowCodeArgs)) { digest }: WorkflowCodeArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const bundle = await inTenant((tx) => findBundle(tx, digest));
    if (bundle === undefined) return null;
    const options = { maxBytes: MAX_CODE_BYTES };
    const gzipped = await this.#parts.evidence.getBytes(bundle.contentDigest, options);
    return { bundle: bundleView(bundle), content: Buffer.from(gzipped).toString('base64') };
  }

  @Query('resetPreview')
  resetPreview(
    @Args(new InputPipe(ResetPreviewArgs)) args: ResetPreviewArgs,
    @Context() context: GraphqlContext,
  ) {
    return this.#resets.preview(context, args);
  }

  @Mutation('exportHistories')
  exportHistories(
    @Args('input', new InputPipe(ExportHistoriesInput)) input: ExportHistoriesInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#histories.export(context, input);
  }

  @Mutation('resetPromotion')
  resetPromotion(
    @Args('input', new InputPipe(ResetPromotionInput)) input: ResetPromotionInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#resets.reset(context, input);
  }

  @Mutation('resumePromotion')
  resumePromotion(
    @Args('input', new InputPipe(ResumePromotionInput)) input: ResumePromotionInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#resets.resume(context, input);
  }
}
