import { DomainError } from './domain-error.ts';
import { isName } from './name.ts';
import type { StepState } from './step-state.ts';

/** The schema tag of the built-in pipelines. */
export const PIPELINE_SCHEMA = 'sluice.pipeline/v1';

/** The schema tag of what the interpreter runs of a team's pipeline: a `Course`. */
export const COURSE_SCHEMA = 'sluice.course/v1';

/** `scan@1`: a registered step type and its version. */
export type StepTypeRef = `${string}@${number}`;

/** One node of a pipeline. */
export interface PipelineStep {
  /** A DNS label, unique in its pipeline. */
  readonly id: string;
  readonly type: StepTypeRef;
  /** Ids of the steps that must have succeeded before this one starts. */
  readonly needs: readonly string[];
  /** None in the built-in pipelines; of a course those of control steps. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** A DAG template of typed steps: data that the interpreter runs. */
export interface Pipeline {
  readonly schema: typeof PIPELINE_SCHEMA | typeof COURSE_SCHEMA;
  readonly name: string;
  readonly version: number;
  readonly steps: readonly PipelineStep[];
}

/**
 * The built-in pipelines. Sealing is no step: it is the interpreter's epilogue in every end state. A version that
 * was used never changes; version 1 of `standard`, which planned inside of its deployment, stays in the
 * records of those who used it.
 */
export const STANDARD_PIPELINE: Pipeline = {
  schema: PIPELINE_SCHEMA,
  name: 'standard',
  version: 2,
  steps: [
    { id: 'scan', type: 'scan@1', needs: [], inputs: {} },
    { id: 'gate', type: 'gate@1', needs: ['scan'], inputs: {} },
    { id: 'plan', type: 'plan@1', needs: ['gate'], inputs: {} },
    { id: 'deploy', type: 'deploy@1', needs: ['plan'], inputs: {} },
    { id: 'verify', type: 'verify@1', needs: ['deploy'], inputs: {} },
  ],
};

/** As {@link STANDARD_PIPELINE}, with a person's decision between plan and deployment. */
export const APPROVED_PIPELINE: Pipeline = {
  schema: PIPELINE_SCHEMA,
  name: 'approved',
  version: 1,
  steps: [
    { id: 'scan', type: 'scan@1', needs: [], inputs: {} },
    { id: 'gate', type: 'gate@1', needs: ['scan'], inputs: {} },
    { id: 'plan', type: 'plan@1', needs: ['gate'], inputs: {} },
    { id: 'approval', type: 'approval@1', needs: ['plan'], inputs: {} },
    { id: 'deploy', type: 'deploy@1', needs: ['approval'], inputs: {} },
    { id: 'verify', type: 'verify@1', needs: ['deploy'], inputs: {} },
  ],
};

/** What every rollback runs: no scan, no gate, no approval, and its evidence says so. */
export const ROLLBACK_PIPELINE: Pipeline = {
  schema: PIPELINE_SCHEMA,
  name: 'rollback',
  version: 1,
  steps: [
    { id: 'plan', type: 'plan@1', needs: [], inputs: {} },
    { id: 'deploy', type: 'deploy@1', needs: ['plan'], inputs: {} },
    { id: 'verify', type: 'verify@1', needs: ['deploy'], inputs: {} },
  ],
};

/** All of them; an environment names `standard` or `approved`. */
export const BUILT_IN_PIPELINES: readonly Pipeline[] = [
  STANDARD_PIPELINE,
  APPROVED_PIPELINE,
  ROLLBACK_PIPELINE,
];

/** True when a pipeline has a step of this type, whatever its version. */
export function hasStepOfType(pipeline: Pipeline, type: string): boolean {
  return pipeline.steps.some((step) => parseStepType(step.type).type === type);
}

/** Splits `scan@1` into its parts; throws a {@link DomainError} for any other form. */
export function parseStepType(ref: string): { readonly type: string; readonly version: number } {
  const match = /^([a-z0-9-]+)@([1-9][0-9]*)$/.exec(ref);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new DomainError('step-type-invalid', `"${ref}" is no step type: write type@version.`);
  }
  return { type: match[1], version: Number(match[2]) };
}

/** More steps than this in one pipeline are refused. */
export const MAX_STEPS = 200;

/**
 * Throws unless there are steps, and not too many, their ids are unique names, every need exists, and there is no cycle.
 * @throws DomainError `pipeline-without-steps`, `pipeline-too-many-steps`, `step-id-invalid`, `step-id-twice`,
 *   `step-type-invalid`, `step-need-unknown`, `pipeline-cycle`
 */
export function assertPipeline(pipeline: Pipeline): void {
  const count = pipeline.steps.length;
  if (count === 0) {
    throw new DomainError('pipeline-without-steps', `Pipeline ${pipeline.name} would do nothing.`);
  }
  if (count > MAX_STEPS) {
    throw new DomainError('pipeline-too-many-steps', `${count} steps; at most ${MAX_STEPS}.`);
  }
  const ids = new Set<string>();
  for (const step of pipeline.steps) {
    if (!isName(step.id)) throw new DomainError('step-id-invalid', `Step id "${step.id}".`);
    if (ids.has(step.id)) throw new DomainError('step-id-twice', `Step ${step.id} stands twice.`);
    parseStepType(step.type);
    ids.add(step.id);
  }
  for (const step of pipeline.steps) {
    for (const need of step.needs) {
      if (!ids.has(need)) {
        throw new DomainError('step-need-unknown', `Step ${step.id} needs ${need}: no such step.`);
      }
    }
  }
  const done = new Set<string>();
  let progress = true;
  while (progress) {
    progress = false;
    for (const step of pipeline.steps) {
      if (!done.has(step.id) && step.needs.every((need) => done.has(need))) {
        done.add(step.id);
        progress = true;
      }
    }
  }
  if (done.size < pipeline.steps.length) {
    const stuck = pipeline.steps.filter((step) => !done.has(step.id)).map((step) => step.id);
    throw new DomainError('pipeline-cycle', `These steps need each other: ${stuck.join(', ')}.`);
  }
}

/**
 * The pending steps whose needs have all succeeded, in the pipeline's order. Nothing is ready once a step
 * has failed or was cancelled: the interpreter lets running steps end and then settles the promotion.
 */
export function readySteps(
  pipeline: Pipeline,
  states: ReadonlyMap<string, StepState>,
): readonly PipelineStep[] {
  const stateOf = (id: string): StepState => states.get(id) ?? 'pending';
  const halted = pipeline.steps.some((step) => HALTING.has(stateOf(step.id)));
  if (halted) return [];
  return pipeline.steps.filter(
    (step) =>
      stateOf(step.id) === 'pending' && step.needs.every((need) => stateOf(need) === 'succeeded'),
  );
}

const HALTING: ReadonlySet<StepState> = new Set<StepState>(['failed', 'cancelled', 'reverted']);
