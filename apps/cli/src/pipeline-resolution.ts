import type { PipelineTemplate, ResolvedPipeline } from '@sluice/domain';
import {
  BUILT_IN_STEP_TYPES,
  type Origins,
  type PipelineProblem,
  renderPipeline,
} from '@sluice/pipeline';
import { printable } from '@sluice/pure';
import type { CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import {
  judge,
  type LoadedPipeline,
  loadPipeline,
  pipelinesByName,
  withNext,
} from './pipeline-library.ts';
import { readParameters } from './pipeline-parameters.ts';
import { placed } from './pipeline-place.ts';
import { countProblems, countsText, problemsText } from './pipeline-problem-text.ts';
import { readSource, readSources } from './pipeline-sources.ts';
import { wrapped } from './text-layout.ts';

/** What a pipeline is resolved for; the same for every command that does so. */
export interface ResolutionOptions {
  readonly environment?: string;
  /** `name=value`. */
  readonly parameter?: readonly string[];
  /** Files and folders with the pipelines that it extends or contains. */
  readonly with?: readonly string[];
}

/** A pipeline as a promotion would run it, or what stands in the way. */
export type Resolution =
  | {
      readonly ok: true;
      readonly file: string;
      readonly pipeline: ResolvedPipeline;
      readonly origins: Origins;
      /** Those that do not keep it from being drawn. */
      readonly problems: readonly PipelineProblem[];
    }
  | {
      readonly ok: false;
      readonly file: string;
      readonly loaded: LoadedPipeline;
      readonly problems: readonly PipelineProblem[];
    };

/** A pipeline that was read with all that it may need, to be resolved for one environment or several. */
export interface OpenedPipeline {
  readonly loaded: LoadedPipeline;
  readonly pipelines: ReadonlyMap<string, PipelineTemplate>;
  /** Sorted: those that it or a pipeline beside it names. */
  readonly environments: readonly string[];
}

/**
 * Reads and resolves the pipeline that a command line names.
 * @throws CliError for what cannot be read, and for a wrong command line
 */
export async function resolvePipeline(
  context: CommandContext,
  word: string,
  options: ResolutionOptions,
): Promise<Resolution> {
  const opened = await openPipeline(context, word, options);
  const resolution = resolveOpened(opened, options);
  if (!resolution.ok) return resolution;
  const { environment } = options;
  if (environment !== undefined) tellOfUnnamed(context, environment, opened.environments);
  const { loaded, pipelines } = opened;
  // The check renders it too: what is said of it without an environment was said by the rendering already.
  const said = new Set(resolution.problems.map(({ code, message }) => `${code} ${message}`));
  const others = judge(loaded, pipelines).filter(
    ({ code, message }) => !said.has(`${code} ${message}`),
  );
  return { ...resolution, problems: [...resolution.problems, ...others] };
}

/**
 * Reads the pipeline that a command line names, and those beside it.
 * @throws CliError for what cannot be read
 */
export async function openPipeline(
  context: CommandContext,
  word: string,
  options: ResolutionOptions,
): Promise<OpenedPipeline> {
  const loaded = loadPipeline(await readSource(context.io, word));
  const pipelines = await readLibrary(context, loaded, options.with ?? []);
  const templates = [...pipelines.values(), ...(loaded.parsed.ok ? [loaded.parsed.template] : [])];
  const names = templates.flatMap(({ environments }) => Object.keys(environments ?? {}));
  return { loaded, pipelines, environments: [...new Set(names)].sort() };
}

/**
 * Resolves what was read. Its problems are those of the rendering; only of a text that is no pipeline they are all.
 * @throws CliError for a wrong command line
 */
export function resolveOpened(
  { loaded, pipelines }: OpenedPipeline,
  { environment, parameter }: ResolutionOptions,
): Resolution {
  const { parsed, source } = loaded;
  const { file } = source;
  if (!parsed.ok) return { ok: false, file, loaded, problems: judge(loaded, pipelines) };
  const parameters = readParameters(parameter ?? [], parsed.template, pipelines);
  const rendered = renderPipeline(parsed.template, {
    parameters,
    pipelines,
    stepTypes: BUILT_IN_STEP_TYPES,
    ...(environment === undefined ? {} : { environment }),
  });
  const problems = rendered.problems.map((problem) =>
    withNext(withSentence(placed(problem, loaded, environment))),
  );
  if (!rendered.ok) return { ok: false, file, loaded, problems };
  return { ok: true, file, pipeline: rendered.pipeline, origins: rendered.origins, problems };
}

/** What to write, as a sentence; a parameter that a promotion would give comes with the command line here. */
function withSentence(problem: PipelineProblem): PipelineProblem {
  const { code, suggestion, at } = problem;
  if (suggestion !== null) {
    const isName = !/[\s.]/.test(suggestion);
    return isName ? { ...problem, suggestion: `Write ${suggestion}.` } : problem;
  }
  const [first, name] = at.path.split('.');
  if (code !== 'parameter-missing' || first !== 'parameters') return problem;
  return { ...problem, suggestion: `Add --parameter ${name}=VALUE.` };
}

/** Prints why a pipeline was not resolved: the document of `validate` with --json, the problems on standard error otherwise. */
export function printFaults(
  context: CommandContext,
  { file, loaded, problems }: Extract<Resolution, { ok: false }>,
): void {
  const counts = countProblems(problems);
  if (context.options.json === true) {
    const files = [{ file, pipeline: loaded.name, problems }];
    context.io.out(`${JSON.stringify({ files, ...counts }, null, 2)}\n`);
    return;
  }
  const text = problemsText([{ source: loaded.source, problems }]);
  context.io.err(`${text}${printable(file)}: ${countsText(counts)}\n`);
}

/** Says on standard error that what was drawn would not be taken, or has warnings. */
export function tellOfProblems(
  { io }: CommandContext,
  { file, problems }: Extract<Resolution, { ok: true }>,
  options: ResolutionOptions,
): void {
  if (problems.length === 0) return;
  const words = ['sluice pipeline validate', file, ...(options.with ?? [])].join(' ');
  const counts = countsText(countProblems(problems)).replace(/^no errors, /, '');
  io.err(wrapped(`${file} has ${counts}: ${words} says which.`, 2));
}

/** The other pipelines by name; what was asked for holds against another text of the same name. */
async function readLibrary(
  context: CommandContext,
  main: LoadedPipeline,
  words: readonly string[],
): Promise<ReadonlyMap<string, PipelineTemplate>> {
  const others = (await readSources(context.io, words)).map(loadPipeline);
  const named = others.filter(({ name, parsed, source: { file } }) => {
    if (!parsed.ok) {
      const next = `sluice pipeline validate ${file} says why.`;
      context.io.err(wrapped(`${file} has errors and was left out: ${next}`, 2));
    }
    return parsed.ok && name !== main.name;
  });
  const files = new Map<string, string>();
  for (const { name, source } of named) {
    const first = files.get(name ?? '');
    if (first !== undefined) {
      const message = `${name} stands in ${first} and in ${source.file}.`;
      const next = 'Name one of them with --with.';
      throw new CliError(EXIT_CODES.usage, 'pipeline-twice', message, next);
    }
    files.set(name ?? '', source.file);
  }
  return pipelinesByName([main, ...named]);
}

/** Says on standard error that an environment is named nowhere: it may be a typing error. */
export function tellOfUnnamed(
  { io }: CommandContext,
  environment: string,
  known: readonly string[],
): void {
  if (known.includes(environment)) return;
  const names = known.length === 0 ? 'none' : known.slice(0, 20).join(', ');
  const text = `Nothing is said of the environment ${environment}: it changes nothing (named are: ${names}).`;
  io.err(wrapped(text, 2));
}
