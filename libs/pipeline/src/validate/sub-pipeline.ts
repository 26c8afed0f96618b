import {
  EXPANDED_ID_SEPARATOR,
  inputForm,
  MAX_PIPELINE_DEPTH,
  MAX_TEMPLATE_STEPS,
  type PipelineTemplate,
  type StepTemplate,
} from '@sluice/domain';
import { inherit } from '../render/inherit.ts';
import { beginRendering, PIPELINE_UNKNOWN_ADVICE, type Pipelines } from '../render/rendering.ts';
import { type Check, knownAre, write } from './check.ts';
import type { VariantStep } from './variant.ts';

/** The pipeline that a step runs, `name@version`; undefined for other steps, and where it isn't named. */
export function subPipelineName(step: StepTemplate): string | undefined {
  if (!step.type.startsWith('pipeline@')) return undefined;
  const constant = (name: string): unknown => {
    const value = step.inputs?.[name];
    const form = value === undefined ? undefined : inputForm(value);
    return form?.kind === 'literal' ? form.value : undefined;
  };
  const pipeline = constant('pipeline');
  const named =
    typeof pipeline === 'object' && pipeline !== null
      ? (pipeline as { readonly name?: unknown; readonly version?: unknown })
      : { name: pipeline, version: constant('version') };
  const { name, version } = named;
  return typeof name === 'string' && typeof version === 'number' ? `${name}@${version}` : undefined;
}

interface SubPipelineFault {
  readonly code: string;
  readonly message: string;
  readonly suggestion: string;
}

/** Sizes of pipelines with all that they contain; found once for each. */
interface Sizes {
  readonly done: Map<string, { readonly steps: number; readonly depth: number } | SubPipelineFault>;
}

/** Sub-pipelines that are missing, contain themselves, lie too deep, or bring too many steps. */
export function checkSubPipelines(check: Check): void {
  const { variant, report, pipelines, template } = check;
  const sizes: Sizes = { done: new Map() };
  const self = `${template.name}@${template.version}`;
  let total = 0;
  for (const each of variant.steps) {
    const name = subPipelineName(each.step);
    total += 1;
    if (each.step.type.startsWith('pipeline@')) checkMembers(check, each);
    if (name === undefined) continue;
    const path = each.place('inputs', 'pipeline');
    if (!pipelines.has(name) && name !== self) {
      const best = report.nearest(name, pipelines.keys());
      const message = `Step ${each.id} runs pipeline ${name}, and there is no such pipeline.`;
      const suggestion = best === undefined ? PIPELINE_UNKNOWN_ADVICE : `Name ${best}.`;
      report.say({ code: 'pipeline-unknown', path, message, suggestion });
      continue;
    }
    const size = sizeOf(name, [self], check, sizes);
    if ('code' in size) report.say({ ...size, path });
    else {
      total += size.steps - 1;
      if (total <= MAX_TEMPLATE_STEPS) checkPassed(check, each, pipelines.get(name));
    }
  }
  if (total > MAX_TEMPLATE_STEPS) {
    report.say({
      code: 'steps-too-many',
      path: ['steps'],
      message: `The pipeline has ${total} steps with those of its sub-pipelines; at most ${MAX_TEMPLATE_STEPS} are taken.`,
      suggestion: 'Use a matrix where steps differ in a value only.',
    });
  }
}

function sizeOf(
  name: string,
  within: readonly string[],
  check: Check,
  sizes: Sizes,
): { readonly steps: number; readonly depth: number } | SubPipelineFault {
  const round = within.indexOf(name);
  if (round !== -1) {
    const names = [...within.slice(round), name].join(' → ');
    return {
      code: 'sub-pipeline-cycle',
      message: `Pipelines contain each other: ${names}.`,
      suggestion: 'Let one of them end without the other.',
    };
  }
  if (within.length > MAX_PIPELINE_DEPTH) return tooDeep([...within, name]);
  const done = sizes.done.get(name);
  if (done !== undefined && 'steps' in done) {
    const isDeep = within.length + done.depth - 1 > MAX_PIPELINE_DEPTH;
    return isDeep ? tooDeep([...within, name]) : done;
  }
  if (!check.pipelines.has(name)) {
    const message = `${within.at(-1)} runs pipeline ${name}, and there is no such pipeline.`;
    return { code: 'pipeline-unknown', message, suggestion: PIPELINE_UNKNOWN_ADVICE };
  }
  let steps = 0;
  let depth = 1;
  for (const step of check.stepsOf(name)) {
    const inner = subPipelineName(step);
    if (inner === undefined) {
      steps += 1;
      continue;
    }
    const size = sizeOf(inner, [...within, name], check, sizes);
    if ('code' in size) return size;
    steps += size.steps;
    depth = Math.max(depth, size.depth + 1);
  }
  const size = { steps, depth };
  sizes.done.set(name, size);
  return size;
}

/** What a sub-pipeline has not: it is its steps, not a step that runs. */
const REFUSED: readonly (keyof StepTemplate)[] = [
  'matrix',
  'retry',
  'timeoutSeconds',
  'concurrencyGroup',
  'continueOnFailure',
  'when',
];

function checkMembers({ report }: Check, each: VariantStep): void {
  for (const member of REFUSED) {
    const value = each.step[member];
    if (value === undefined || value === false || value === 'success') continue;
    report.say({
      code: 'sub-pipeline-member',
      path: each.place(member),
      message: `Step ${each.id} runs a sub-pipeline and can't have ${member}.`,
      suggestion: `Give ${member} to its steps.`,
      where: 'key',
    });
  }
}

function tooDeep(names: readonly string[]): SubPipelineFault {
  return {
    code: 'pipeline-too-deep',
    message: `Pipelines contain each other ${MAX_PIPELINE_DEPTH} times over and more: ${names.join(' → ')}.`,
    suggestion: 'Make it flatter.',
  };
}

/** Steps of a pipeline with those of its bases. */
export function inheritedSteps(
  template: PipelineTemplate,
  pipelines: Pipelines,
): readonly StepTemplate[] {
  const inherited = inherit(beginRendering(pipelines, undefined), template, '');
  return (inherited?.steps ?? []).map(({ id, members }) => ({ id, ...members }));
}

function checkPassed(check: Check, each: VariantStep, target: PipelineTemplate | undefined): void {
  const form = inputForm(each.step.inputs?.parameters ?? {});
  if (form.kind !== 'literal' || typeof form.value !== 'object' || form.value === null) return;
  const rendering = beginRendering(check.pipelines, undefined);
  const declared = target === undefined ? null : inherit(rendering, target, '');
  if (declared === null) return;
  const given = new Set(Object.keys(form.value));
  const inLiteral = form.inLiteral ? ['literal'] : [];
  for (const name of given) {
    if (declared.parameters.has(name)) continue;
    check.report.say({
      code: 'parameter-unknown',
      path: each.place('inputs', 'parameters', ...inLiteral, name),
      message: `Pipeline ${target?.name}@${target?.version} has no parameter ${name}.`,
      suggestion:
        write(check.report.nearest(name, declared.parameters.keys())) ??
        knownAre(declared.parameters.keys(), 'Take it out.'),
      where: 'key',
    });
  }
  for (const [name, { template }] of declared.parameters) {
    if (template.default !== undefined || given.has(name)) continue;
    check.report.say({
      code: 'parameter-missing',
      path: each.place('inputs', 'parameters'),
      message: `Step ${each.id} gives no value for parameter ${name} of ${target?.name}@${target?.version}, which has no default.`,
      suggestion: `Add ${name}.`,
    });
  }
}

/** The step of a sub-pipeline that `outer--inner` names, with the step that brings it in; undefined for other ids. */
export function findExpandedStep(
  check: Pick<Check, 'variant' | 'stepsOf'>,
  id: string,
): { readonly outer: VariantStep; readonly inner: StepTemplate } | undefined {
  for (
    let at = id.indexOf(EXPANDED_ID_SEPARATOR);
    at !== -1;
    at = id.indexOf(EXPANDED_ID_SEPARATOR, at + 1)
  ) {
    const outer = check.variant.byId.get(id.slice(0, at));
    const name = outer === undefined ? undefined : subPipelineName(outer.step);
    if (outer === undefined || name === undefined) continue;
    const inner = findInner(check, name, id.slice(at + EXPANDED_ID_SEPARATOR.length), 0);
    if (inner !== undefined) return { outer, inner };
  }
  return undefined;
}

function findInner(
  check: Pick<Check, 'stepsOf'>,
  name: string,
  id: string,
  depth: number,
): StepTemplate | undefined {
  if (depth > MAX_PIPELINE_DEPTH) return undefined;
  for (const step of check.stepsOf(name)) {
    if (step.id === id) return step;
    const inner = subPipelineName(step);
    const prefix = `${step.id}${EXPANDED_ID_SEPARATOR}`;
    if (inner === undefined || !id.startsWith(prefix)) continue;
    const found = findInner(check, inner, id.slice(prefix.length), depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
