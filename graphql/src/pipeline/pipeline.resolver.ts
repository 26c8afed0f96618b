import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { isPipelineTemplate } from '@sluice/domain';
import { listPipelines } from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { environmentView } from '../environment/environment.view.ts';
import { comparePipelines, resolvePublished } from './compare-pipelines.ts';
import { findPipelineByRef } from './find-pipeline.ts';
import { ComparePipelinesArgs, PipelineArgs, ResolvePipelineArgs } from './pipeline.args.ts';
import { PipelineCommands } from './pipeline.commands.ts';
import {
  type PipelineVersionView,
  parameterViews,
  pipelineVersionEntryView,
  pipelineVersionView,
} from './pipeline.view.ts';
import { PublishPipelineInput } from './publish-pipeline.input.ts';

/** Published pipelines: versions, what they say, where they run. */
@Resolver('PipelineVersion')
export class PipelineResolver {
  readonly #commands: PipelineCommands;

  constructor(@Inject(PipelineCommands) commands: PipelineCommands) {
    this.#commands = commands;
  }

  @Query('pipelines')
  async pipelines(@Args() args: PageArgs, @Context() { inTenant }: GraphqlContext) {
    const page = readPage(args, 20);
    return connectionOf(await inTenant((tx) => listPipelines(tx, page)), pipelineVersionView);
  }

  @Query('pipeline')
  async pipeline(
    @Args(new InputPipe(PipelineArgs)) { name, version }: PipelineArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const record = await inTenant((tx) => findPipelineByRef(tx, name, version));
    return record === undefined ? null : pipelineVersionView(record);
  }

  @Query('resolvePipeline')
  resolvePipeline(
    @Args(new InputPipe(ResolvePipelineArgs)) args: ResolvePipelineArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    return inTenant((tx) => resolvePublished(tx, args));
  }

  @Query('comparePipelines')
  comparePipelines(
    @Args(new InputPipe(ComparePipelinesArgs)) args: ComparePipelinesArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    return inTenant((tx) => comparePipelines(tx, args));
  }

  @Mutation('publishPipeline')
  publishPipeline(
    @Args('input', new InputPipe(PublishPipelineInput)) input: PublishPipelineInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.publish(context, input);
  }

  @ResolveField('digest')
  async digest(@Parent() { id }: PipelineVersionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.getPipeline(id)).pipelineDigest;
  }

  @ResolveField('description')
  async description(@Parent() { id }: PipelineVersionView, @Context() { loaders }: GraphqlContext) {
    const { body } = await loaders.getPipeline(id);
    return isPipelineTemplate(body) ? (body.description ?? null) : null;
  }

  @ResolveField('stepCount')
  async stepCount(@Parent() { id }: PipelineVersionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.getPipeline(id)).body.steps.length;
  }

  @ResolveField('parameters')
  async parameters(@Parent() { id }: PipelineVersionView, @Context() { loaders }: GraphqlContext) {
    return parameterViews((await loaders.getPipeline(id)).body);
  }

  @ResolveField('document')
  async document(@Parent() { id }: PipelineVersionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.getPipeline(id)).body;
  }

  @ResolveField('versions')
  async versions(@Parent() { name }: PipelineVersionView, @Context() { loaders }: GraphqlContext) {
    return (await loaders.pipelineVersionsOf(name)).map(pipelineVersionEntryView);
  }

  @ResolveField('environments')
  async environments(
    @Parent() { name, version }: PipelineVersionView,
    @Context() { loaders }: GraphqlContext,
  ) {
    const environments = await loaders.environmentsOfPipeline(name);
    const [newest] = await loaders.pipelineVersionsOf(name);
    return environments
      .filter(({ pipelineVersion }) => (pipelineVersion ?? newest?.version) === version)
      .map(environmentView);
  }
}
