import type { JsonValue, ResolvedPipeline } from '@sluice/domain';
import type { Tx } from '@sluice/persistence';
import { diffPipelines } from '@sluice/pipeline';
import { notFound } from '../common/refusal.ts';
import { findPipelineByRef, readPipelineRef } from './find-pipeline.ts';
import type { ComparePipelinesArgs, ResolvePipelineArgs } from './pipeline.args.ts';
import { pipelineDifferenceView, resolvedPipelineView } from './pipeline.view.ts';
import { pipelineInvalid } from './problem.view.ts';
import { resolvePipeline } from './resolve-pipeline.ts';

/** What is different between two published pipelines when they are resolved alike. */
export async function comparePipelines(tx: Tx, args: ComparePipelinesArgs) {
  const before = await resolved(tx, args.from, args);
  const after = await resolved(tx, args.to, args);
  return pipelineDifferenceView(before, after, diffPipelines(before, after));
}

/** A published pipeline as it would run. */
export async function resolvePublished(tx: Tx, args: ResolvePipelineArgs) {
  const pipeline = await resolved(tx, args.pipeline, args);
  return { __typename: 'ResolvedPipeline' as const, ...resolvedPipelineView(pipeline) };
}

async function resolved(
  tx: Tx,
  reference: string,
  { environment, parameters }: Pick<ComparePipelinesArgs, 'environment' | 'parameters'>,
): Promise<ResolvedPipeline> {
  const { name, version } = readPipelineRef(reference);
  const record = await findPipelineByRef(tx, name, version);
  if (record === undefined) {
    throw notFound(
      'pipeline-unknown',
      `There is no pipeline ${reference}; list pipelines, or publish it.`,
    );
  }
  const resolution = await resolvePipeline(tx, record, {
    environment: environment ?? undefined,
    parameters: (parameters ?? {}) as Readonly<Record<string, JsonValue>>,
    onlyDeclared: true,
  });
  if (resolution.ok) return resolution.pipeline;
  throw pipelineInvalid(
    `${reference} can't be resolved like this; \`problems\` says why.`,
    resolution.problems,
  );
}
