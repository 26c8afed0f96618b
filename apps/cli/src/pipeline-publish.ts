import { randomUUID } from 'node:crypto';
import { pipelineRefText, referencedPipelines } from '@sluice/domain';
import type { PipelineProblem } from '@sluice/pipeline';
import { printable } from '@sluice/pure';
import type { ApiClient } from './api-client.ts';
import type { CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { type LoadedPipeline, loadPipeline } from './pipeline-library.ts';
import type {
  PipelineRefusalView,
  ProblemOfPipelineView,
  PublishedView,
} from './pipeline-operations.ts';
import { countProblems, countsText, problemsText } from './pipeline-problem-text.ts';
import { readSources } from './pipeline-sources.ts';

/** Options of `sluice pipeline publish`. */
export interface PublishPipelinesOptions {
  readonly idempotencyKey?: string;
}

/** What became of one file. */
interface Result {
  readonly file: string;
  readonly pipeline: string | null;
  readonly outcome: 'published' | 'there-already' | 'refused';
  readonly digest: string | null;
  readonly problems: readonly PipelineProblem[];
  readonly refusal: { readonly code: string; readonly message: string } | null;
}

/**
 * Carries out `sluice pipeline publish`: one file after the other, what others need first. A file that is refused does not keep those from being
 * published that do not need it.
 */
export async function publishPipelines(
  context: CommandContext,
  { idempotencyKey }: PublishPipelinesOptions,
  words: readonly string[],
): Promise<ExitCode> {
  const loaded = inOrder((await readSources(context.io, words)).map(loadPipeline));
  if (idempotencyKey !== undefined && loaded.length > 1) {
    const message = `--idempotency-key is for one file, and there are ${loaded.length}.`;
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message, 'Publish them one by one.');
  }
  const api = context.api();
  const results: Result[] = [];
  for (const each of loaded) {
    results.push(await publish(api, each, idempotencyKey ?? randomUUID()));
  }
  const isJson = context.options.json === true;
  if (isJson) context.print({ results }, () => '');
  else for (const [at, result] of results.entries()) tell(context, result, loaded[at]);
  const isGood = results.every(({ outcome }) => outcome !== 'refused');
  return isGood ? EXIT_CODES.ok : EXIT_CODES.failed;
}

async function publish(
  api: ApiClient,
  { source, name }: LoadedPipeline,
  idempotencyKey: string,
): Promise<Result> {
  const text = new TextDecoder().decode(source.bytes);
  const { publishPipeline: answer } = await api.run<{
    publishPipeline: PublishedView | PipelineRefusalView;
  }>(OPERATIONS.publishPipeline, { input: { text, idempotencyKey } });
  const placed = (problems: readonly ProblemOfPipelineView[]) =>
    problems.map((problem) => problemOf(problem, source.file));
  if (answer.__typename === 'PublishedPipeline') {
    const { published, pipeline, warnings } = answer as PublishedView;
    return {
      file: source.file,
      pipeline: pipeline.id,
      outcome: published ? 'published' : 'there-already',
      digest: pipeline.digest,
      problems: placed(warnings),
      refusal: null,
    };
  }
  const { code, message, problems = [] } = answer as PipelineRefusalView;
  return {
    file: source.file,
    pipeline: name,
    outcome: 'refused',
    digest: null,
    problems: placed(problems),
    refusal: { code, message },
  };
}

function problemOf(problem: ProblemOfPipelineView, file: string): PipelineProblem {
  const { code, severity, message, suggestion, line, column, path } = problem;
  const isError = severity === 'ERROR';
  const at = { file, line, column, path };
  return { code, severity: isError ? 'error' : 'warning', message, suggestion, at };
}

function tell({ io }: CommandContext, result: Result, loaded: LoadedPipeline | undefined): void {
  const { file, pipeline, outcome, digest, problems, refusal } = result;
  if (loaded !== undefined && problems.length > 0) {
    io.err(problemsText([{ source: loaded.source, problems }]));
  }
  if (outcome === 'refused') {
    const counts = countProblems(problems);
    const why = problems.length > 0 ? countsText(counts) : `${refusal?.message ?? 'refused'}`;
    io.err(`${printable(file)}: not published: ${printable(why)}\n`);
    return;
  }
  const what = outcome === 'published' ? 'published' : 'was published before, and is the same';
  io.out(`${pipeline ?? file}  ${what}  ${digest ?? ''}\n`);
}

/** What others name comes before them; those that name each other stay as they were named. */
function inOrder(loaded: readonly LoadedPipeline[]): readonly LoadedPipeline[] {
  const byName = new Map(loaded.flatMap((each) => (each.name === null ? [] : [[each.name, each]])));
  const done = new Set<LoadedPipeline>();
  const visit = (each: LoadedPipeline): void => {
    if (done.has(each)) return;
    done.add(each);
    if (each.template === null) return;
    for (const ref of referencedPipelines(each.template)) {
      const other = byName.get(pipelineRefText(ref)) as LoadedPipeline | undefined;
      if (other !== undefined) visit(other);
    }
    ordered.push(each);
  };
  const ordered: LoadedPipeline[] = [];
  for (const each of loaded) {
    visit(each);
    if (!ordered.includes(each)) ordered.push(each);
  }
  return ordered;
}
