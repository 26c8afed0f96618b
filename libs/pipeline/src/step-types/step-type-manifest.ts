import type { StepType } from '@sluice/domain';

/** A step type with all that its registration owes: texts for people, and examples that every check runs over. */
export interface StepTypeManifest {
  /** Where the documentation tells it: ascending, in steps of ten, so that another one fits in between. */
  readonly place: number;
  readonly stepType: StepType;
  /** What it does and when one takes it; Markdown, one paragraph. */
  readonly text: string;
  /** What of its effect is seen when a worker dies in the middle. Null exactly where it has no effect. */
  readonly effectText: string | null;
  readonly examples: StepTypeExamples;
}

/** Values of a step type. */
export interface StepTypeExamples {
  /** Executions: inputs as they are when it begins, and what came of them. At least one. */
  readonly runs: readonly StepRunExample[];
  /** Inputs that are refused. At least one. */
  readonly refused: readonly RefusedInputs[];
}

/** One execution. */
export interface StepRunExample {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Inputs with a fault. */
export interface RefusedInputs {
  readonly why: string;
  /** Where the first fault is told: `seconds`; empty for the whole. */
  readonly path: string;
  readonly inputs: unknown;
}
