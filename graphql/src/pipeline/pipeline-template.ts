import {
  BUILT_IN_PIPELINES,
  type Deadlines,
  isPipelineTemplate,
  type JsonValue,
  MAX_PIPELINE_DEPTH,
  PIPELINE_TEMPLATE_SCHEMA,
  type Pipeline,
  type PipelineTemplate,
  parseStepType,
  pipelineRefText,
  type StepTemplate,
} from '@sluice/domain';

/** True for a name that Sluice keeps for its own pipelines. */
export function isBuiltInPipeline(name: string): boolean {
  return BUILT_IN_PIPELINES.some((pipeline) => pipeline.name === name);
}

/**
 * Any stored pipeline as a template, so that all can be drawn and compared. One of Sluice's own has its times from the environment.
 */
export function templateOf(
  body: Pipeline | PipelineTemplate,
  deadlines?: Deadlines,
): PipelineTemplate {
  if (isPipelineTemplate(body)) return body;
  const { name, version, steps } = body;
  return {
    schema: PIPELINE_TEMPLATE_SCHEMA,
    name,
    version,
    steps: steps.map(({ id, type, needs, inputs }): StepTemplate => {
      const seconds = deadlines === undefined ? undefined : secondsOf(type, deadlines);
      return {
        id,
        type,
        needs,
        inputs: inputs as Readonly<Record<string, JsonValue>>,
        ...(seconds === undefined ? {} : { timeoutSeconds: seconds }),
      };
    }),
  };
}

function secondsOf(type: string, deadlines: Deadlines): number | undefined {
  switch (parseStepType(type).type) {
    case 'scan':
      return deadlines.scanSeconds;
    case 'gate':
      return deadlines.gateSeconds;
    case 'deploy':
      return deadlines.deploySeconds;
    case 'verify':
      return deadlines.verifySeconds;
    default:
      return undefined;
  }
}

/** Names of the parameters that a pipeline declares, or has from what it extends. */
export function declaredParameters(
  template: PipelineTemplate,
  library: ReadonlyMap<string, PipelineTemplate>,
): ReadonlySet<string> {
  const names = new Set<string>();
  let each: PipelineTemplate | undefined = template;
  for (let depth = 0; each !== undefined && depth <= MAX_PIPELINE_DEPTH; depth += 1) {
    const { parameters = {}, extends: base }: PipelineTemplate = each;
    for (const name of Object.keys(parameters)) names.add(name);
    each = base === undefined ? undefined : library.get(pipelineRefText(base));
  }
  return names;
}
