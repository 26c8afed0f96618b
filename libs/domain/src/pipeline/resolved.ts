import type { StepTypeRef } from '../pipeline.ts';
import type {
  InputValue,
  JsonValue,
  MatrixPolicy,
  MatrixTemplate,
  ParameterTemplate,
  PipelineTemplate,
  RetryTemplate,
  StepCondition,
  StepTemplate,
} from './template.ts';
import type { ValueSchema } from './value-schema.ts';

/** Pause before the second attempt, where neither the step nor its type names one. */
export const DEFAULT_BACKOFF_SECONDS = 1;

/** Each pause is so many times the one before, where nothing else is said. */
export const DEFAULT_BACKOFF_FACTOR = 2;

/** The longest pause between two attempts, where nothing else is said; never shorter than the first one. */
export const DEFAULT_MAX_BACKOFF_SECONDS = 300;

/** Members of a matrix that run at a time, where nothing else is said. */
export const DEFAULT_MAX_PARALLEL = 10;

/** Stands between the id of a `pipeline@1` step and the id of a step of its sub-pipeline: `rollout--deploy`. */
export const EXPANDED_ID_SEPARATOR = '--';

/** As {@link EXPANDED_ID_SEPARATOR}, for parameters, whose names stand in expressions: `rollout__region`. */
export const EXPANDED_PARAMETER_SEPARATOR = '__';

/**
 * What a promotion runs: a pipeline after inheritance, its environment's override, parameters, sub-pipelines and defaults. Nothing in it
 * depends on another pipeline, and it is a pipeline itself: resolving it again changes nothing. Its digest is the SHA-256 of its canonical
 * JSON. Lists of names (`needs`, `terminal`) are sorted and free of repetition; `steps` keep the order of the template.
 */
export interface ResolvedPipeline extends PipelineTemplate {
  readonly extends?: never;
  readonly environments?: never;
  readonly parameters: Readonly<Record<string, ResolvedParameter>>;
  readonly steps: readonly ResolvedStep[];
  readonly failFast: boolean;
}

/** A parameter whose value is known: it stands as the default. */
export interface ResolvedParameter extends ParameterTemplate {
  readonly schema: ValueSchema;
  readonly default: JsonValue;
}

/** A step that leaves nothing to a default. */
export interface ResolvedStep extends StepTemplate {
  /** A DNS label; `outer--inner` for a step of the sub-pipeline of `outer`. */
  readonly id: string;
  /** Never `pipeline@…`: those are expanded. */
  readonly type: StepTypeRef;
  readonly needs: readonly string[];
  readonly when: StepCondition;
  readonly inputs: Readonly<Record<string, InputValue>>;
  readonly retry: ResolvedRetry;
  readonly timeoutSeconds: number;
  readonly matrix?: ResolvedMatrix;
  readonly continueOnFailure: boolean;
  /** Only true where its type has a compensation. */
  readonly compensate: boolean;
}

/** How often and when again; every member is there. */
export type ResolvedRetry = Required<RetryTemplate>;

/** A matrix that leaves nothing to a default; `minimum` only with the policy of that name. */
export interface ResolvedMatrix extends MatrixTemplate {
  readonly maxParallel: number;
  readonly failFast: boolean;
  readonly policy: MatrixPolicy;
}
