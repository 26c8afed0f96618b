import type { JsonValue, ResolvedPipeline } from '@sluice/domain';
import type { EnvironmentRecord, PipelineRecord, Tx } from '@sluice/persistence';
import type { PipelineProblem } from '@sluice/pipeline';
import { invalidInput, stateConflict } from '../common/refusal.ts';
import { findPipelineByRef } from '../pipeline/find-pipeline.ts';
import { pipelineInvalid } from '../pipeline/problem.view.ts';
import { resolvePipeline } from '../pipeline/resolve-pipeline.ts';

/** Values for parameters, by name. */
export type Parameters = Readonly<Record<string, JsonValue>>;

/** What a promotion to an environment would run now. */
export interface EnvironmentPipeline {
  readonly record: PipelineRecord;
  readonly pipeline: ResolvedPipeline;
}

/**
 * Resolves the pipeline that an environment names, with what its configuration and a request give for parameters, as the
 * promotion's rules would be frozen.
 * @throws RefusalException `pipeline-unknown`, `parameter-fixed`, `pipeline-invalid` with every problem
 */
export async function resolveEnvironmentPipeline(
  tx: Tx,
  environment: EnvironmentRecord,
  parameters: Parameters,
): Promise<EnvironmentPipeline> {
  const { name, pipeline, pipelineVersion, pipelineParameters, deadlines } = environment;
  const fixed = Object.keys(parameters).find((key) => Object.hasOwn(pipelineParameters, key));
  if (fixed !== undefined) {
    throw invalidInput(
      'parameters',
      `parameters: ${fixed} is set by the configuration of ${name}; leave it out`,
    );
  }
  const record = await findPipelineByRef(tx, pipeline, pipelineVersion);
  if (record === undefined) {
    const named = pipelineVersion === null ? pipeline : `${pipeline}@${pipelineVersion}`;
    throw stateConflict(
      'pipeline-unknown',
      `Environment ${name} names the pipeline ${named}, which is not there; publish it, or apply the configuration again.`,
    );
  }
  const resolution = await resolvePipeline(tx, record, {
    environment: name,
    parameters: { ...parameters, ...pipelineParameters },
    deadlines,
  });
  if (resolution.ok) return { record, pipeline: resolution.pipeline };
  throw unfit(environment, record, resolution.problems);
}

function unfit(
  { name }: EnvironmentRecord,
  { name: pipeline, version }: PipelineRecord,
  problems: readonly PipelineProblem[],
) {
  const first = problems[0]?.message ?? 'It can not be resolved.';
  return pipelineInvalid(
    `${pipeline}@${version}, the pipeline of ${name}, can't be run like this: ${first}`,
    problems,
  );
}
