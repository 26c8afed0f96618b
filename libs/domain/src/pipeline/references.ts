import { inputForm } from './input-form.ts';
import type { PipelineRef, PipelineTemplate, StepOverride, StepTemplate } from './template.ts';

/** `rollout@2`: how a version of a pipeline is named in one word. */
export function pipelineRefText({ name, version }: PipelineRef): string {
  return `${name}@${version}`;
}

/**
 * The pipelines that one names itself: what it extends, and what its `pipeline@…` steps run, in its environments too. Each once, in the order
 * of the template; what those name in turn is not among them. A step that names none, or in another form than it must, gives nothing here.
 */
export function referencedPipelines(template: PipelineTemplate): readonly PipelineRef[] {
  const found = new Map<string, PipelineRef>();
  const add = (ref: PipelineRef): void => {
    const text = pipelineRefText(ref);
    if (!found.has(text)) found.set(text, ref);
  };
  if (template.extends !== undefined) add(template.extends);
  const lists: (readonly (StepTemplate | StepOverride)[])[] = [
    template.steps,
    ...Object.values(template.environments ?? {}).map(({ steps }) => steps ?? []),
  ];
  for (const step of lists.flat()) {
    const ref = calledPipeline(step);
    if (ref !== undefined) add(ref);
  }
  return [...found.values()];
}

/** An override may name the pipeline of a step whose type stands elsewhere: the input alone tells. */
function calledPipeline(step: StepTemplate | StepOverride): PipelineRef | undefined {
  if (!('inputs' in step) || step.inputs?.pipeline === undefined) return undefined;
  if (step.type !== undefined && !step.type.startsWith('pipeline@')) return undefined;
  const form = inputForm(step.inputs.pipeline);
  if (form.kind !== 'literal' || typeof form.value !== 'object' || form.value === null) {
    return undefined;
  }
  const { name, version } = form.value as { readonly name?: unknown; readonly version?: unknown };
  return typeof name === 'string' && Number.isSafeInteger(version)
    ? { name, version: version as number }
    : undefined;
}
