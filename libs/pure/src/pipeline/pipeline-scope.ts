import type { JsonValue, StepOutcome } from '@sluice/domain';

/** What references and expressions of a pipeline read, when a step is about to begin. */
export interface PipelineScope {
  /** Settled steps. `outputs` may hold less than the step gave where only some are asked for; of a matrix a list by member. */
  readonly steps: Readonly<Record<string, SettledStepValues>>;
  readonly parameters: Readonly<Record<string, JsonValue>>;
  /** The member of the matrix that the step runs for. */
  readonly matrix?: JsonValue;
  readonly promotion: Readonly<Record<string, JsonValue>>;
  readonly release: Readonly<Record<string, JsonValue>>;
  readonly environment: Readonly<Record<string, JsonValue>>;
}

/** What a settled step is for those after it. */
export interface SettledStepValues {
  readonly outcome: StepOutcome;
  readonly outputs: Readonly<Record<string, JsonValue>>;
}

/** Variables of a pipeline's expressions. */
export const PIPELINE_VARIABLES: readonly string[] = [
  'steps',
  'parameters',
  'matrix',
  'promotion',
  'release',
  'environment',
];
