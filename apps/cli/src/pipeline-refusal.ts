import { printable } from '@sluice/pure';
import type { CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import type { PipelineRefusalView, ProblemOfPipelineView } from './pipeline-operations.ts';
import { wrapped } from './text-layout.ts';

/** Problems that are written as text; all that came are in the JSON document. */
const MAX_SHOWN = 50;

/** Ends the command when the API said no; each problem of the pipeline is a line on standard error before. */
export function assertPipelineTaken<T extends { readonly __typename: string }>(
  { io, options }: CommandContext,
  answer: T | PipelineRefusalView,
  wanted: T['__typename'],
): asserts answer is T {
  if (answer.__typename === wanted) return;
  const { code, message, problems = [], problemCount } = answer as PipelineRefusalView;
  if (options.json === true) {
    const all = problems.map((problem) => problem.message).slice(0, MAX_SHOWN);
    throw new CliError(EXIT_CODES.failed, code, [message, ...all.slice(1)].join(' '));
  }
  // One problem is the whole message already.
  if (problems.length > 1) io.err(problemLines(problems, problemCount));
  throw new CliError(EXIT_CODES.failed, code, message);
}

function problemLines(
  problems: readonly ProblemOfPipelineView[],
  problemCount = problems.length,
): string {
  const shown = problems
    .slice(0, MAX_SHOWN)
    .map(({ severity, code, path, message, suggestion }) => {
      const place = path === '' ? '' : `${path}: `;
      const help = suggestion === null ? '' : ` (${suggestion.replace(/\.$/, '')})`;
      return wrapped(
        printable(`  ${severity.toLowerCase()}: ${place}${message}${help} [${code}]`),
        4,
      );
    });
  const hidden = problemCount - Math.min(problems.length, MAX_SHOWN);
  return shown.join('') + (hidden > 0 ? `  … and ${hidden} more\n` : '');
}
