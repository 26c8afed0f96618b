import { explainPipeline, renderText, resolvedPipelineDigest, toMermaid } from '@sluice/pipeline';
import { type CommandContext, wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import {
  printFaults,
  type Resolution,
  type ResolutionOptions,
  resolvePipeline,
  tellOfProblems,
} from './pipeline-resolution.ts';
import { MAX_WIDTH } from './text-layout.ts';

const MIN_COLUMNS = 40;
const MAX_COLUMNS = 400;

/** How a drawing looks. */
export interface DrawingOptions {
  readonly ascii?: boolean;
  readonly width?: string;
}

/** Options of `sluice pipeline explain`. */
export interface ExplainPipelineOptions extends ResolutionOptions, DrawingOptions {
  readonly mermaid?: boolean;
}

/** Carries out `sluice pipeline render`. */
export async function printRendered(
  context: CommandContext,
  options: ResolutionOptions,
  [word = '']: readonly string[],
): Promise<ExitCode> {
  const resolution = await resolvePipeline(context, word, options);
  if (!resolution.ok) return refuse(context, resolution, EXIT_CODES.failed);
  const { pipeline, origins, problems } = resolution;
  const digest = resolvedPipelineDigest(pipeline);
  context.print({ pipeline, digest, origins, problems }, () => renderText(pipeline, origins));
  tellOfProblems(context, resolution, options);
  return EXIT_CODES.ok;
}

/** Carries out `sluice pipeline explain`. */
export async function printExplained(
  context: CommandContext,
  options: ExplainPipelineOptions,
  [word = '']: readonly string[],
): Promise<ExitCode> {
  const { mermaid = false } = options;
  if (mermaid && (options.ascii !== undefined || options.width !== undefined)) {
    const message = '--mermaid is not drawn in columns: it takes no --ascii and no --width.';
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message);
  }
  const look = lookOf(context, options);
  const resolution = await resolvePipeline(context, word, options);
  if (!resolution.ok) return refuse(context, resolution, EXIT_CODES.failed);
  const { pipeline, problems } = resolution;
  const { name, version } = pipeline;
  const drawing = (): string => explainPipeline(pipeline, look);
  const document = {
    pipeline: `${name}@${version}`,
    digest: resolvedPipelineDigest(pipeline),
    drawing: drawing(),
    mermaid: toMermaid(pipeline),
    problems,
  };
  context.print(document, () => (mermaid ? document.mermaid : document.drawing));
  tellOfProblems(context, resolution, options);
  return EXIT_CODES.ok;
}

/** Prints why a pipeline was not resolved, and gives the status for that. */
export function refuse(
  context: CommandContext,
  resolution: Extract<Resolution, { ok: false }>,
  exitCode: ExitCode,
): ExitCode {
  printFaults(context, resolution);
  return exitCode;
}

/** Columns and letters of a drawing. */
export function lookOf({ io }: CommandContext, { ascii, width }: DrawingOptions) {
  const columns =
    width === undefined
      ? (io.terminal()?.columns ?? MAX_WIDTH)
      : wholeNumber(width, '--width', MIN_COLUMNS, MAX_COLUMNS);
  return {
    width: Math.max(MIN_COLUMNS, Math.min(columns, MAX_COLUMNS)),
    ascii: ascii === true,
  };
}
