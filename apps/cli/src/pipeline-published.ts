import { differenceText, diffPipelines, explainPipeline } from '@sluice/pipeline';
import { type CommandContext, wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { givenParameters } from './given-parameters.ts';
import { OPERATIONS } from './operations.ts';
import { type DrawingOptions, lookOf } from './pipeline-drawing.ts';
import type {
  PipelineDifferenceView,
  PipelineRefusalView,
  PipelineView,
  ResolvedPipelineView,
  WholePipelineView,
} from './pipeline-operations.ts';
import { assertPipelineTaken } from './pipeline-refusal.ts';
import { table, wrapped } from './text-layout.ts';

/** Options of `sluice pipeline list`. */
export interface ListPipelinesOptions {
  readonly first: string;
  readonly after?: string;
}

/** What a published pipeline is resolved for. */
export interface ResolveOptions extends DrawingOptions {
  readonly environment?: string;
  readonly parameter?: readonly string[];
}

/** Options of `sluice pipeline show`. */
export interface ShowPipelineOptions extends ResolveOptions {
  readonly mermaid?: boolean;
}

/** Carries out `sluice pipeline list`. */
export async function listPipelines(
  context: CommandContext,
  options: ListPipelinesOptions,
): Promise<ExitCode> {
  const first = wholeNumber(options.first, '--first', 1, 100);
  const { pipelines } = await context.api().run<{
    pipelines: {
      edges: { node: PipelineView }[];
      pageInfo: { hasNextPage: boolean; endCursor: string | null };
    };
  }>(OPERATIONS.pipelines, { first, after: options.after });
  const list = pipelines.edges.map(({ node }) => node);
  const { hasNextPage, endCursor } = pipelines.pageInfo;
  context.print({ pipelines: list, next: hasNextPage ? endCursor : null }, () => {
    const rows = list.map(({ id, stepCount, builtIn, publishedBy, environments, description }) => [
      id,
      String(stepCount),
      builtIn ? 'Sluice' : (publishedBy ?? 'configuration'),
      environments.map(({ name }) => name).join(', '),
      description ?? '',
    ]);
    const columns = [{ title: 'PIPELINE' }, { title: 'STEPS' }, { title: 'BY' }];
    const more = hasNextPage ? `More: --after ${endCursor}\n` : '';
    const rest = [{ title: 'RUN BY' }, { title: 'DESCRIPTION', shrinks: true }];
    return table([...columns, ...rest], rows) + more;
  });
  return EXIT_CODES.ok;
}

/** Carries out `sluice pipeline show`. */
export async function showPipeline(
  context: CommandContext,
  options: ShowPipelineOptions,
  [reference = '']: readonly string[],
): Promise<ExitCode> {
  const { name, version } = readReference(reference);
  const look = lookOf(context, options);
  const api = context.api();
  const { pipeline } = await api.run<{ pipeline: WholePipelineView | null }>(OPERATIONS.pipeline, {
    name,
    version,
  });
  if (pipeline === null) throw noPipeline(reference);
  const { resolvePipeline: answer } = await api.run<{
    resolvePipeline: ResolvedPipelineView | PipelineRefusalView;
  }>(OPERATIONS.resolvePipeline, {
    pipeline: pipeline.id,
    environment: options.environment ?? null,
    parameters: givenParameters(options.parameter, pipeline.parameters),
  });
  const isResolved = answer.__typename === 'ResolvedPipeline';
  if (options.mermaid === true) {
    assertPipelineTaken<ResolvedPipelineView>(context, answer, 'ResolvedPipeline');
    context.print({ ...pipeline, mermaid: answer.mermaid }, () => answer.mermaid);
    return EXIT_CODES.ok;
  }
  const resolved = isResolved ? (answer as ResolvedPipelineView) : null;
  const refusal = isResolved ? null : (answer as PipelineRefusalView);
  context.print({ ...pipeline, resolved, refusal }, () => {
    const drawing =
      resolved === null
        ? wrapped(`Not drawn: ${refusal?.message ?? ''}`, 2)
        : explainPipeline(resolved.document, look);
    return `${describePipeline(pipeline)}\n${drawing}`;
  });
  return EXIT_CODES.ok;
}

/** Carries out `sluice pipeline compare`; its status is that of `diff`. */
export async function comparePublished(
  context: CommandContext,
  options: ResolveOptions,
  [from = '', to = '']: readonly string[],
): Promise<ExitCode> {
  readReference(from);
  readReference(to);
  const look = lookOf(context, options);
  const { comparePipelines: answer } = await context.api().run<{
    comparePipelines: PipelineDifferenceView | PipelineRefusalView;
  }>(OPERATIONS.comparePipelines, {
    from,
    to,
    environment: options.environment ?? null,
    parameters: givenParameters(options.parameter, []),
  });
  assertPipelineTaken<PipelineDifferenceView>(context, answer, 'PipelineDifference');
  const difference = diffPipelines(answer.before.document, answer.after.document);
  const same = difference.scope === null;
  context.print({ same, ...difference }, () => differenceText(difference, look));
  return same ? EXIT_CODES.ok : EXIT_CODES.failed;
}

function describePipeline(pipeline: WholePipelineView): string {
  const { id, digest, builtIn, publishedBy, publishedAt, environments, versions } = pipeline;
  const by = builtIn ? 'comes with Sluice' : `by ${publishedBy ?? 'the configuration'}`;
  const others = versions.map(({ version }) => version);
  const lines = [
    `${id}\n`,
    `  digest     ${digest}\n`,
    wrapped(`  published  ${publishedAt.slice(0, 19)}Z, ${by}`, 13),
    wrapped(`  versions   ${others.join(', ')}`, 13),
    wrapped(
      `  run by     ${environments.map(({ name }) => name).join(', ') || 'no environment'}`,
      13,
    ),
  ];
  if (pipeline.parameters.length > 0) {
    const sorted = [...pipeline.parameters].sort((a, b) => (a.name < b.name ? -1 : 1));
    const rows = sorted.map(({ name, schema, required, default: value }) => [
      name,
      schema.type,
      required ? 'must be given' : JSON.stringify(value),
    ]);
    const columns = [{ title: 'PARAMETER' }, { title: 'TYPE' }];
    lines.push('\n', table([...columns, { title: 'DEFAULT', shrinks: true }], rows));
  }
  return lines.join('');
}

function readReference(text: string): { readonly name: string; readonly version: number | null } {
  const [, name, version] =
    /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:@([1-9]\d{0,8}))?$/.exec(text) ?? [];
  if (name !== undefined) return { name, version: version === undefined ? null : Number(version) };
  const message = `"${text}" names no published pipeline.`;
  const next = 'Write name, or name@version; files are drawn by sluice pipeline explain.';
  throw new CliError(EXIT_CODES.usage, 'pipeline-reference-invalid', message, next);
}

function noPipeline(reference: string): CliError {
  const message = `There is no pipeline ${reference}.`;
  const next = 'See sluice pipeline list, or publish it: sluice pipeline publish FILE.';
  return new CliError(EXIT_CODES.failed, 'pipeline-not-found', message, next);
}
