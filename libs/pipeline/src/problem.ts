/** Something that is wrong with a pipeline, and where. */
export interface PipelineProblem {
  /** `step-need-unknown`. */
  readonly code: string;
  /** `error`: the pipeline is refused. `warning`: it is taken, and said. */
  readonly severity: 'error' | 'warning';
  /** One sentence. */
  readonly message: string;
  /** What to write instead; null where nothing is near. */
  readonly suggestion: string | null;
  readonly at: PipelinePosition;
}

/** A place in a text. */
export interface PipelinePosition {
  /** As it was named; `-` for what came without a file. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** `steps.deploy.inputs.image`; empty for the whole. */
  readonly path: string;
}
