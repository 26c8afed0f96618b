import type { PipelineProblem } from '../problem.ts';

/** Problems of one check that are reported: a file with more of them is another file. */
export const MAX_PROBLEMS = 500;

/** Problems in the order of the text, each once, bounded; the last one says when there were more. */
export function orderProblems(problems: readonly PipelineProblem[]): readonly PipelineProblem[] {
  const seen = new Set<string>();
  const once = problems.filter(({ code, message, at }) => {
    const key = JSON.stringify([code, message, at.line, at.column, at.path]);
    return seen.has(key) ? false : seen.add(key);
  });
  const ordered = [...once].sort(
    (a, b) => a.at.line - b.at.line || a.at.column - b.at.column || compare(a.code, b.code),
  );
  // Errors are never cut away for warnings.
  const errors = ordered.filter((problem) => problem.severity === 'error');
  if (ordered.length <= MAX_PROBLEMS) return ordered;
  const kept = errors.length >= MAX_PROBLEMS ? errors : ordered;
  const cut = kept.slice(0, MAX_PROBLEMS - 1);
  const severity = errors.length > 0 ? 'error' : 'warning';
  const last = cut.at(-1)?.at ?? { file: '-', line: 1, column: 1, path: '' };
  const more = ordered.length - cut.length;
  const message = `${more} more problems are not shown.`;
  const suggestion = 'Mend these first.';
  return [...cut, { code: 'problems-too-many', severity, message, suggestion, at: last }];
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
