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

/** What to do where a pipeline is not among those that are known, and none of them has a name that is near. */
export const PIPELINE_UNKNOWN_ADVICE = 'Publish it first, or check its file along with this one.';

/** What to do about problems whose message does not say it. */
const ADVICE: Readonly<Record<string, string>> = {
  'pipeline-unknown': PIPELINE_UNKNOWN_ADVICE,
  'pipeline-too-many-steps': 'Make several pipelines of it, or matrices.',
  'pipeline-extends-cycle': 'Let one of them begin from nothing.',
  'sub-pipeline-fail-fast': 'Say it in the outermost pipeline.',
  'sub-pipeline-cycle': 'Let one of them end without the other.',
  'parameter-twice': 'Rename one of them.',
  'step-id-twice': 'Give one of them another id.',
  'step-id-invalid': 'Give the steps shorter ids.',
  'condition-too-long': 'Make one of the conditions shorter.',
  'pipeline-too-deep': 'Make it flatter.',
};

/** What to do about a problem of a rendering, in a sentence: its own suggestion is the name to write, if any. */
export function adviceOf({ code, suggestion }: PipelineProblem): string {
  if (suggestion !== null) return `Write ${suggestion}.`;
  return ADVICE[code] ?? 'Change what the message says, and look at it with `pipeline render`.';
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
