import { isPipelineTemplate, type PipelineTemplate } from '@sluice/domain';
import {
  findPipeline,
  listEnvironmentsOfPipelines,
  readPipelineLibrary,
  type Tx,
} from '@sluice/persistence';
import {
  BUILT_IN_STEP_TYPES,
  findApprovalLoss,
  type PipelinePositions,
  type PipelineProblem,
} from '@sluice/pipeline';

/**
 * Environments that would run this version from now on, asked people with the one before, and would no longer: whoever publishes could
 * deploy there alone. An environment with an approval rule of its own keeps it, one that holds to a version keeps that.
 */
export async function listApprovalLosses(
  tx: Tx,
  template: PipelineTemplate,
  positions: PipelinePositions,
): Promise<readonly PipelineProblem[]> {
  const { name, version } = template;
  const newest = await findPipeline(tx, name);
  if (newest === undefined || newest.version >= version || !isPipelineTemplate(newest.body))
    return [];
  const before = newest.body;
  const environments = (await listEnvironmentsOfPipelines(tx, [name])).filter(
    ({ pipelineVersion, approval }) => pipelineVersion === null && approval === null,
  );
  if (environments.length === 0) return [];
  const pipelines = new Map([
    ...(await readPipelineLibrary(tx, before)),
    ...(await readPipelineLibrary(tx, template)),
  ]);
  return environments.flatMap(({ name: environment }): readonly PipelineProblem[] => {
    const options = { environment, pipelines, stepTypes: BUILT_IN_STEP_TYPES };
    const loss = findApprovalLoss(before, template, options);
    if (loss === undefined) return [];
    return [
      {
        code: 'approval-lost',
        severity: 'error',
        message: `Environment ${environment} runs the newest version of ${name}, and with this one it would deploy without the people that ${name}@${before.version} asks: ${loss}.`,
        suggestion: `Let an approval come before all that changes targets, or change the configuration of ${environment} first: hold it to a version (pipeline: ${name}@${before.version}), or give it an \`approval\` of its own.`,
        at: positions.find(['steps']),
      },
    ];
  });
}
