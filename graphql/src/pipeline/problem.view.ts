import type { PipelineProblem } from '@sluice/pipeline';
import { enumName } from '../common/enum-name.ts';
import { RefusalException } from '../common/refusal.ts';

/** Problems that one answer tells; of more, how many there are. */
export const MAX_TOLD_PROBLEMS = 1000;

/** A problem of a pipeline as the schema has it. */
export interface PipelineProblemView {
  readonly code: string;
  readonly severity: string;
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly suggestion: string | null;
}

/** Shows problems, the first thousand of them. */
export function problemViews(problems: readonly PipelineProblem[]): readonly PipelineProblemView[] {
  return problems
    .slice(0, MAX_TOLD_PROBLEMS)
    .map(({ code, severity, message, suggestion, at: { path, line, column } }) => {
      return { code, severity: enumName(severity), path, line, column, message, suggestion };
    });
}

/** The pipeline can't be taken, or can't be run as it was asked for. */
export function pipelineInvalid(
  message: string,
  problems: readonly PipelineProblem[],
): RefusalException {
  return new RefusalException({
    __typename: 'PipelineInvalid',
    code: 'pipeline-invalid',
    message,
    problems: problemViews(problems),
    problemCount: problems.length,
  });
}
