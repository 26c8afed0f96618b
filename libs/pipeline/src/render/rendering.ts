import { MAX_TEMPLATE_STEPS, type PipelineTemplate } from '@sluice/domain';
import { createNearestName, type NearestName } from '../parse/nearest.ts';
import type { PipelineProblem } from '../problem.ts';

/** Pipelines by `name@version`: those that others extend or contain. */
export type Pipelines = ReadonlyMap<string, PipelineTemplate>;

/** What one rendering carries through all of its parts. */
export interface Rendering {
  readonly pipelines: Pipelines;
  /** Whose overrides hold; undefined: none. */
  readonly environment: string | undefined;
  readonly problems: PipelineProblem[];
  /** For suggestions. */
  readonly nearest: NearestName;
  /** Steps that may still be added: a pipeline that contains others tenfold on each level must not fill the memory. */
  remainingSteps: number;
}

/** Notes a problem. Positions are those of a value without a text; who has the text finds the line by the path. */
export function note(
  rendering: Rendering,
  problem: {
    readonly code: string;
    readonly path: string;
    readonly message: string;
    readonly suggestion?: string | null;
    readonly severity?: PipelineProblem['severity'];
  },
): void {
  rendering.problems.push({
    code: problem.code,
    severity: problem.severity ?? 'error',
    message: problem.message,
    suggestion: problem.suggestion ?? null,
    at: { file: '-', line: 1, column: 1, path: problem.path },
  });
}

/** Begins a rendering: no problem yet, and room for as many steps as a pipeline may have. */
export function beginRendering(pipelines: Pipelines, environment: string | undefined): Rendering {
  return {
    pipelines,
    environment,
    problems: [],
    nearest: createNearestName(),
    remainingSteps: MAX_TEMPLATE_STEPS,
  };
}
