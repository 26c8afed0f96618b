import { COURSE_SCHEMA, type Pipeline, type PipelineStep } from '../pipeline.ts';
import type { ResolvedMatrix, ResolvedPipeline, ResolvedRetry, ResolvedStep } from './resolved.ts';
import type { StepQueue, StepType, StepTypes } from './step-type.ts';
import type { InputValue, StepCondition } from './template.ts';

/** Members of a per-target step that run at a time, where the pipeline gives it no matrix. */
export const PER_TARGET_PARALLEL = 100;

/**
 * What the interpreter needs to know of a resolved pipeline: the order of its steps and how each is run, but no inputs, which stay with the
 * records and are read where a step executes. So it is small enough for a history.
 */
export interface Course extends Pipeline {
  readonly schema: typeof COURSE_SCHEMA;
  readonly failFast: boolean;
  readonly steps: readonly CourseStep[];
}

/** One step of a {@link Course}. Members that hold their default are left out. */
export interface CourseStep extends PipelineStep {
  /** `success` when absent. */
  readonly when?: StepCondition;
  /** CEL. */
  readonly if?: string;
  /** Where it is executed. Absent of control steps, and of all steps of courses that were frozen before it stood here. */
  readonly queue?: StepQueue;
  /** Of one attempt. */
  readonly timeoutSeconds: number;
  readonly retry: ResolvedRetry;
  /** Also of a step that runs once for each target without being asked to. */
  readonly matrix?: ResolvedMatrix;
  readonly concurrencyGroup?: string;
  readonly continueOnFailure?: true;
  /** Its type has a compensation, and the step did not say no. False when absent. */
  readonly compensate?: true;
  /** Of one compensation; where there is one. */
  readonly compensationSeconds?: number;
  /** The interpreter carries it out itself. */
  readonly control?: true;
  /** It needs the environment's lease, and a plan before it. */
  readonly changesTargets?: true;
  /** Outputs that conditions and control steps read of it: an execution hands these back with its result. Sorted. */
  readonly reads?: readonly string[];
  /** Of control steps alone, empty for all others: what is wired is found by the interpreter. */
  readonly inputs: Readonly<Record<string, InputValue>>;
}

/** True for the form that promotions of pipelines as data freeze. */
export function isCourse(pipeline: Pipeline): pipeline is Course {
  return pipeline.schema === COURSE_SCHEMA;
}

/**
 * The course of a resolved pipeline.
 * @param readsOf outputs that conditions and control steps read, by step: found by who can read expressions
 * @throws TypeError for a step whose type is not among the types: a resolved pipeline has none such
 */
export function composeCourse(
  pipeline: ResolvedPipeline,
  stepTypes: StepTypes,
  readsOf: ReadonlyMap<string, ReadonlySet<string>>,
): Course {
  const { name, version, failFast, steps } = pipeline;
  return {
    schema: COURSE_SCHEMA,
    name,
    version,
    failFast,
    steps: steps.map((step) => {
      const type = stepTypes.get(step.type);
      if (type === undefined) throw new TypeError(`Step ${step.id} has no type ${step.type}.`);
      return composeStep(step, type, [...(readsOf.get(step.id) ?? [])].sort());
    }),
  };
}

function composeStep(step: ResolvedStep, type: StepType, reads: readonly string[]): CourseStep {
  const { id, needs, timeoutSeconds, retry, concurrencyGroup } = step;
  const matrix = step.matrix ?? (type.perTarget ? ALL_TARGETS : undefined);
  const { onlyWith } = type.compensation ?? {};
  const isUndone =
    step.compensate && (onlyWith === undefined || step.inputs[onlyWith] !== undefined);
  const compensation = isUndone ? type.compensation : null;
  return {
    id,
    type: step.type,
    needs,
    ...(step.when === 'success' ? {} : { when: step.when }),
    ...(step.if === undefined ? {} : { if: step.if }),
    ...(type.queue === null ? {} : { queue: type.queue }),
    timeoutSeconds,
    retry,
    ...(matrix === undefined ? {} : { matrix }),
    ...(concurrencyGroup === undefined ? {} : { concurrencyGroup }),
    ...(step.continueOnFailure ? { continueOnFailure: true } : {}),
    ...(compensation === null
      ? {}
      : { compensate: true, compensationSeconds: compensation.timeoutSeconds }),
    ...(type.kind === 'control' ? { control: true } : {}),
    inputs: type.kind === 'control' ? step.inputs : {},
    ...(type.changesTargets ? { changesTargets: true } : {}),
    ...(reads.length === 0 ? {} : { reads }),
  };
}

const ALL_TARGETS: ResolvedMatrix = {
  over: { targets: {} },
  maxParallel: PER_TARGET_PARALLEL,
  failFast: false,
  policy: 'all',
};
