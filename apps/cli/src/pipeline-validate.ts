import type { PipelineProblem } from '@sluice/pipeline';
import { type CommandContext, wholeNumber } from './command-context.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { findProblems, type JudgeOptions, loadPipeline } from './pipeline-library.ts';
import {
  countProblems,
  countsText,
  type FileProblems,
  problemsText,
} from './pipeline-problem-text.ts';
import { readSources } from './pipeline-sources.ts';

/** Options of `sluice pipeline validate`. */
export interface ValidatePipelinesOptions {
  /** Warnings count as errors. */
  readonly strict?: boolean;
  /** How long a promotion may take. Seconds, as it was written. */
  readonly deadline?: string;
}

/** A week, as the configuration of an environment takes it. */
const MAX_DEADLINE_SECONDS = 604_800;

/** Carries out `sluice pipeline validate`. */
export async function validatePipelines(
  context: CommandContext,
  { strict, deadline }: ValidatePipelinesOptions,
  words: readonly string[],
): Promise<ExitCode> {
  const asked: JudgeOptions =
    deadline === undefined
      ? {}
      : { deadlineSeconds: wholeNumber(deadline, '--deadline', 1, MAX_DEADLINE_SECONDS) };
  const loaded = (await readSources(context.io, words)).map(loadPipeline);
  const found = findProblems(loaded, asked);
  const files = loaded.map(({ source, name }, at) => {
    const problems = found[at] ?? [];
    return { source, name, problems: strict === true ? problems.map(asError) : problems };
  });
  const counts = countProblems(files.flatMap(({ problems }) => problems));
  const document = {
    files: files.map(({ source, name, problems }) => ({
      file: source.file,
      pipeline: name,
      problems,
    })),
    ...counts,
  };
  context.print(document, () => describe(files, countsText(counts)));
  return counts.errors === 0 ? EXIT_CODES.ok : EXIT_CODES.failed;
}

function describe(files: readonly FileProblems[], counts: string): string {
  const count = `${files.length} ${files.length === 1 ? 'file' : 'files'}`;
  return `${problemsText(files)}${count}: ${counts}\n`;
}

function asError(problem: PipelineProblem): PipelineProblem {
  return { ...problem, severity: 'error' };
}
