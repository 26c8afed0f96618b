import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { givenParameters, type KnownParameter } from './given-parameters.ts';
import { OPERATIONS, type PromotionView } from './operations.ts';
import type { PipelineRefusalView, PreviewView, WholePipelineView } from './pipeline-operations.ts';
import { assertPipelineTaken } from './pipeline-refusal.ts';
import { printAfterRequest, type RequestOptions } from './promotion-request.ts';
import { getRelease } from './release.command.ts';

/** Options of `sluice promote` and of `sluice pipeline run`. */
export interface PromoteOptions extends RequestOptions {
  readonly dry?: boolean;
  readonly parameter?: readonly string[];
  readonly ascii?: boolean;
  readonly width?: string;
}

const HELP = `
A value of --parameter is a text where the parameter is one, else JSON.
A pipeline that makes its release takes none on the command line.`;

/** Adds `sluice promote`. */
export function addPromoteCommand(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const promote = promoting(program.command('promote <environment> [release]'))
    .description('promote a release (its digest, or name@version), or show what that would do')
    .option('--dry', 'only show what would happen to which targets')
    .option('--watch', 'follow it to its end, live; status 1 unless it succeeded')
    .option('--wait <seconds>', 'wait for its end; status 1 unless it succeeded')
    .option('--idempotency-key <key>', 'the same key gives the first answer (default: a new one)')
    .addHelpText('after', HELP);
  act<PromoteOptions>(promote, io, settle, (context, options, [environment = '', release]) =>
    promoteRelease(context, options, environment, release),
  );
}

/** Adds the options with which a promotion is described. */
export function promoting(command: Command): Command {
  return command
    .option('--parameter <name=value>', "for the pipeline's parameters; once for each", collect)
    .option('--ascii', 'with --dry: only characters that every terminal has')
    .option('--width <columns>', "with --dry: from 40 to 400 (default: the terminal's, else 80)");
}

/** Asks for a promotion, or with --dry for what it would do. */
export async function promoteRelease(
  context: CommandContext,
  options: PromoteOptions,
  environment: string,
  reference: string | undefined,
): Promise<ExitCode> {
  if (options.dry === true) return previewPromotion(context, options, environment, reference);
  const api = context.api();
  const release = reference === undefined ? null : (await getRelease(api, reference)).id;
  const parameters = await readGiven(api, options, environment);
  const { idempotencyKey = randomUUID() } = options;
  const answer = await api.run<{
    requestPromotion: (PromotionView & { __typename: 'Promotion' }) | PipelineRefusalView;
  }>(OPERATIONS.requestPromotion, { input: { release, environment, parameters, idempotencyKey } });
  const { requestPromotion: promotion } = answer;
  assertPipelineTaken<PromotionView & { __typename: 'Promotion' }>(context, promotion, 'Promotion');
  return printAfterRequest(context, api, promotion, options);
}

/** Shows what a promotion would do; status 1 when it would be refused. */
export async function previewPromotion(
  context: CommandContext,
  options: PromoteOptions,
  environment: string,
  reference: string | undefined,
): Promise<ExitCode> {
  for (const name of ['watch', 'wait', 'idempotencyKey'] as const) {
    if (options[name] === undefined) continue;
    const message = `--dry asks for nothing: it takes no --${name === 'idempotencyKey' ? 'idempotency-key' : name}.`;
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message);
  }
  const api = context.api();
  const release = reference === undefined ? null : (await getRelease(api, reference)).id;
  const parameters = await readGiven(api, options, environment);
  const { previewPromotion: preview } = await api.run<{
    previewPromotion: PreviewView | PipelineRefusalView;
  }>(OPERATIONS.previewPromotion, { environment, release, parameters });
  assertPipelineTaken<PreviewView>(context, preview, 'PromotionPreview');
  // Drawing waits for the library that checks pipelines; asking for a promotion does not.
  const { lookOf } = await import('./pipeline-drawing.ts');
  const { describePreview } = await import('./preview-text.ts');
  const look = lookOf(context, options);
  context.print(preview, () => describePreview(preview, look));
  return preview.blockers.length === 0 ? EXIT_CODES.ok : EXIT_CODES.failed;
}

/** What the options give for parameters; the pipeline is asked only where they give something. */
async function readGiven(
  api: ApiClient,
  { parameter }: PromoteOptions,
  environment: string,
): Promise<Readonly<Record<string, unknown>>> {
  if (parameter === undefined || parameter.length === 0) return {};
  return givenParameters(parameter, await parametersOf(api, environment));
}

async function parametersOf(api: ApiClient, name: string): Promise<readonly KnownParameter[]> {
  const { environment } = await api.run<{
    environment: { pipeline: string; pipelineVersion: number | null } | null;
  }>(OPERATIONS.environmentPipeline, { name });
  // What is not there the request itself says.
  if (environment === null) return [];
  const { pipeline } = await api.run<{ pipeline: WholePipelineView | null }>(OPERATIONS.pipeline, {
    name: environment.pipeline,
    version: environment.pipelineVersion,
  });
  return pipeline?.parameters ?? [];
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
