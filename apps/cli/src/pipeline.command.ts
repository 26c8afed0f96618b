import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { DiffPipelinesOptions } from './pipeline-difference.ts';
import type { ExplainPipelineOptions } from './pipeline-drawing.ts';
import type { PublishPipelinesOptions } from './pipeline-publish.ts';
import type {
  ListPipelinesOptions,
  ResolveOptions,
  ShowPipelineOptions,
} from './pipeline-published.ts';
import type { ResolutionOptions } from './pipeline-resolution.ts';
import type { ValidatePipelinesOptions } from './pipeline-validate.ts';
import { type PromoteOptions, previewPromotion, promoting } from './promote.command.ts';

const FILES = `
A file is a path, - for standard input, or <ref>:<path> of a git ref.`;

const VALIDATE_HELP = `${FILES}
A folder stands for the .yaml, .yml and .json files directly in it. Pipelines
that extend or contain each other are named together.
The deadline of an environment is deadlines.promotionSeconds of its
configuration, 3600 where that says nothing.
Status: 0 no errors; 1 errors; 2 wrong command line, or a file that cannot be
read.`;

const RENDER_HELP = `${FILES}
A value of --parameter is a text where the parameter is one, JSON otherwise.
Status: 0 resolved; 1 it cannot be; 2 wrong command line, or a file that cannot
be read.`;

const DIFF_HELP = `${FILES}
Both sides are resolved first: what is compared is what would run, without an
environment and in each one that a side names, or in the one of --environment.
Status: 0 the same but for name and version; 1 different; 2 trouble.
  sluice pipeline diff main:pipelines/deploy.yaml pipelines/deploy.yaml`;

const SCHEMA_HELP = `
For editors: write it to a file, and name that file in the first line of a
pipeline, as in  # yaml-language-server: $schema=pipeline.schema.json
A pipeline in JSON names it itself:  "$schema": "pipeline.schema.json"`;

/** Loaded when it is needed: no other command waits for the check of pipelines. */
const drawing = () => import('./pipeline-drawing.ts');
const published = () => import('./pipeline-published.ts');

const PUBLISH_HELP = `${FILES}
A folder stands for the .yaml, .yml and .json files directly in it. What others
need is published first. The API checks each one against what is published.
Status: 0 all published, or there already; 1 one was refused.`;

const COMPARE_HELP = `
Each is name, for its newest version, or name@version. Files are compared by
sluice pipeline diff.
Status: 0 the same but for name and version; 1 different, or refused.`;

/** Adds `sluice pipeline …`: what checks and draws files asks no API; what publishes, lists and compares what is published does. */
export function addPipelineCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const pipeline = program
    .command('pipeline')
    .description('check and draw pipelines offline; publish and compare them');
  const validate = pipeline
    .command('validate <file-or-folder...>')
    .description('every error of all files at once, with its place and what to write')
    .option('--strict', 'warnings are errors')
    .option('--deadline <seconds>', 'a promotion ends after this: what cannot fit is an error')
    .addHelpText('after', VALIDATE_HELP);
  act<ValidatePipelinesOptions>(validate, io, settle, async (...given) =>
    (await import('./pipeline-validate.ts')).validatePipelines(...given),
  );
  const render = resolving(pipeline.command('render <file>'))
    .description('the pipeline as it would run, and where each value comes from')
    .addHelpText('after', RENDER_HELP);
  act<ResolutionOptions>(render, io, settle, async (...given) =>
    (await drawing()).printRendered(...given),
  );
  const explain = drawn(resolving(pipeline.command('explain <file>')))
    .description('draw the steps, their order and conditions')
    .option('--mermaid', 'a Mermaid flowchart instead, for documents')
    .addHelpText('after', RENDER_HELP);
  act<ExplainPipelineOptions>(explain, io, settle, async (...given) =>
    (await drawing()).printExplained(...given),
  );
  const diff = drawn(resolving(pipeline.command('diff <before> <after>')))
    .description('what changes between two pipelines, and whether it changes what is done')
    .addHelpText('after', DIFF_HELP);
  act<DiffPipelinesOptions>(diff, io, settle, async (...given) =>
    (await import('./pipeline-difference.ts')).printDifference(...given),
  );
  addPublished(pipeline, io, settle);
  const steps = pipeline
    .command('steps [type]')
    .description('the step types that there are, or all of one');
  act(steps, io, settle, async (...given) =>
    (await import('./pipeline-step-types.ts')).printStepTypes(...given),
  );
  const schema = pipeline
    .command('schema')
    .description('the JSON Schema of pipelines')
    .addHelpText('after', SCHEMA_HELP);
  act(schema, io, settle, async ({ io: { out } }) => {
    const { PIPELINE_JSON_SCHEMA } = await import('@sluice/pipeline');
    out(`${JSON.stringify(PIPELINE_JSON_SCHEMA, null, 2)}\n`);
    return EXIT_CODES.ok;
  });
}

function addPublished(pipeline: Command, io: CliIo, settle: (exitCode: ExitCode) => void): void {
  const publish = pipeline
    .command('publish <file-or-folder...>')
    .description('make versions of them that never change, and that environments can run')
    .option('--idempotency-key <key>', 'the same key gives the first answer (default: a new one)')
    .addHelpText('after', PUBLISH_HELP);
  act<PublishPipelinesOptions>(publish, io, settle, async (...given) =>
    (await import('./pipeline-publish.ts')).publishPipelines(...given),
  );
  const list = pipeline
    .command('list')
    .description('the newest version of each published pipeline, and who runs it')
    .option('--first <number>', 'so many of them', '20')
    .option('--after <cursor>', 'behind this one');
  act<ListPipelinesOptions>(list, io, settle, async (context, options) =>
    (await published()).listPipelines(context, options),
  );
  const show = drawn(resolvingPublished(pipeline.command('show <name>')))
    .description('a published pipeline, name or name@version: parameters, versions, drawing')
    .option('--mermaid', 'a Mermaid flowchart instead, for documents');
  act<ShowPipelineOptions>(show, io, settle, async (...given) =>
    (await published()).showPipeline(...given),
  );
  const compare = drawn(resolvingPublished(pipeline.command('compare <before> <after>')))
    .description('what changes between two published pipelines')
    .addHelpText('after', COMPARE_HELP);
  act<ResolveOptions>(compare, io, settle, async (...given) =>
    (await published()).comparePublished(...given),
  );
  const run = promoting(pipeline.command('run <environment> [release]'))
    .description('with --dry: what a promotion would do to which targets')
    .option('--dry', 'always needed: sluice promote asks for a promotion');
  act<PromoteOptions>(run, io, settle, (context, options, [environment = '', release]) => {
    if (options.dry === true) return previewPromotion(context, options, environment, release);
    const message = 'sluice pipeline run only shows what would happen.';
    const next = 'Add --dry; sluice promote asks for a promotion.';
    throw new CliError(EXIT_CODES.usage, 'option-missing', message, next);
  });
}

/** Options with which a published pipeline is resolved. */
function resolvingPublished(command: Command): Command {
  return command
    .option('--environment <name>', "with that environment's changes")
    .option('--parameter <name=value>', 'as a promotion would give it; once for each', collect);
}

function resolving(command: Command): Command {
  return command
    .option('--environment <name>', "with that environment's changes")
    .option('--parameter <name=value>', 'as a promotion would give it; once for each', collect)
    .option('--with <file-or-folder>', 'pipelines that it extends or contains; repeat it', collect);
}

function drawn(command: Command): Command {
  return command
    .option('--ascii', 'only characters that every terminal has')
    .option('--width <columns>', "from 40 to 400 (default: the terminal's, else 80)");
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
