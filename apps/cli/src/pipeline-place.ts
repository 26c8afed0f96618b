import { EXPANDED_ID_SEPARATOR, type PipelineTemplate } from '@sluice/domain';
import type { PipelineProblem, ValuePath } from '@sluice/pipeline';
import type { LoadedPipeline } from './pipeline-library.ts';

/** Puts a problem of a rendering, which knows no text, to the line of the text that it is about. */
export function placed(
  problem: PipelineProblem,
  { parsed, template }: LoadedPipeline,
  environment: string | undefined,
): PipelineProblem {
  const { positions } = parsed;
  const path = template === null ? [] : textPath(template, problem.at.path, environment);
  const at = path[0] === 'parameters' ? positions.findKey(path) : positions.find(path);
  return { ...problem, at: { ...at, path: problem.at.path } };
}

/** The place in a text that a path of its resolved pipeline comes from; of what brings it in, where it stands in another pipeline. */
export function textPath(
  template: PipelineTemplate,
  path: string,
  environment: string | undefined,
): ValuePath {
  const [first = '', id = '', ...rest] = path.split('.');
  if (first === 'parameters') return parameterPath(template, [id, ...rest].join('.'), environment);
  if (first !== 'steps' || id === '') return first === '' ? [] : [first];
  const override = overrideOf(template, environment);
  for (let step = id; step !== ''; step = outerOf(step)) {
    const own = template.steps.findIndex((each) => each.id === step);
    const inner = step === id ? rest : [];
    // What the environment says holds against what is said of all.
    const other = (override?.steps ?? []).findIndex((each) => each.id === step);
    const names = inner[0] !== undefined && Object.hasOwn(override?.steps?.[other] ?? {}, inner[0]);
    if (other !== -1 && (own === -1 || names)) {
      return ['environments', environment ?? '', 'steps', other, ...inner];
    }
    if (own !== -1) return ['steps', own, ...inner];
  }
  return template.extends === undefined ? ['steps'] : ['extends'];
}

function parameterPath(
  template: PipelineTemplate,
  name: string,
  environment: string | undefined,
): ValuePath {
  const values = overrideOf(template, environment)?.parameters ?? {};
  if (Object.hasOwn(values, name)) {
    return ['environments', environment ?? '', 'parameters', name];
  }
  const isDeclared = Object.hasOwn(template.parameters ?? {}, name);
  return isDeclared ? ['parameters', name] : ['parameters'];
}

function overrideOf(template: PipelineTemplate, environment: string | undefined) {
  const { environments = {} } = template;
  if (environment === undefined || !Object.hasOwn(environments, environment)) return undefined;
  return environments[environment];
}

/** The step whose sub-pipeline a step is of; empty where there is none. */
function outerOf(id: string): string {
  const at = id.lastIndexOf(EXPANDED_ID_SEPARATOR);
  return at === -1 ? '' : id.slice(0, at);
}
