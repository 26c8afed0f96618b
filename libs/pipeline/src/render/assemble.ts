import {
  EXPANDED_ID_SEPARATOR,
  EXPANDED_PARAMETER_SEPARATOR,
  MAX_PIPELINE_DEPTH,
  MAX_TEMPLATE_STEPS,
  type PipelineTemplate,
} from '@sluice/domain';
import { type BoundParameter, type DraftStep, needsOf } from './draft.ts';
import { type Inherited, inherit } from './inherit.ts';
import { pipelineOrigin } from './origin.ts';
import { bindParameters, type Passed } from './parameters.ts';
import { note, type Rendering } from './rendering.ts';
import { type ParameterBinding, rewireStep } from './rewire.ts';
import { attach } from './sub-pipeline-attach.ts';
import { type SubPipelineCall, subPipelineCall } from './sub-pipeline-call.ts';
import { type Expansion, expansionNeeds, expansionOf } from './sub-pipeline-edges.ts';
import { entryOf } from './sub-pipeline-entry.ts';

/** A pipeline with all of its sub-pipelines in place; ids and parameters are those of its own scope. */
export interface Assembled {
  readonly inherited: Inherited;
  readonly steps: readonly DraftStep[];
  readonly parameters: ReadonlyMap<string, BoundParameter>;
  readonly wired: ReadonlyMap<string, ParameterBinding>;
}

/**
 * Inherits, binds parameters and puts the steps of sub-pipelines in the place of the steps that call them.
 * @param path of its problems: empty for the whole, `steps.rollout` for what `rollout` calls
 * @param outer the pipelines that this one is within, from the outermost on
 * @returns null when it cannot be put together; the rendering has the problems
 */
export function assemble(
  rendering: Rendering,
  template: PipelineTemplate,
  passed: Passed,
  path: string,
  outer: readonly string[] = [],
): Assembled | null {
  const inherited = inherit(rendering, template, path);
  if (inherited === null) return null;
  const names = [...outer, pipelineOrigin(template)];
  const bound = bindParameters(rendering, inherited, passed, path);
  rendering.remainingSteps -= inherited.steps.length;
  if (rendering.remainingSteps < 0) {
    const message = `With its sub-pipelines it has more than ${MAX_TEMPLATE_STEPS} steps, in ${names.join(' → ')} at the latest. Make several pipelines of it, or matrices.`;
    note(rendering, { code: 'pipeline-too-many-steps', path, message });
    return null;
  }
  const parameters = new Map(bound.known);
  const expansions = new Map<string, Expansion>();
  const bodies = new Map<string, readonly DraftStep[]>();
  for (const step of inherited.steps) {
    if (!isSubPipelineStep(step)) continue;
    const body = expand(rendering, step, path, names, parameters);
    const entry = entryOf(step, freeId(expandedId(step.id, 'begin'), body), body);
    if (entry !== null) rendering.remainingSteps -= 1;
    // Nothing more is made after the limit: what is left out here cannot be judged.
    if (rendering.remainingSteps < 0) return null;
    bodies.set(step.id, body);
    expansions.set(step.id, expansionOf(step, entry, body));
  }
  const steps = inherited.steps.flatMap((step) => {
    const body = bodies.get(step.id);
    const expansion = expansions.get(step.id);
    if (body === undefined || expansion === undefined) return [step];
    attach(body, step, expansion);
    return expansion.entry === null ? body : [expansion.entry, ...body];
  });
  for (const step of steps) {
    if (needsOf(step).length > 0) {
      step.members = { ...step.members, needs: expansionNeeds(needsOf(step), expansions) };
    }
  }
  if (expansions.size > 0) refuseReferencesToCalls(rendering, steps, expansions, path);
  const wired = new Map([...bound.wired].map(([name, value]) => [name, { wired: value }]));
  return { inherited, steps, parameters, wired };
}

function isSubPipelineStep(step: DraftStep): boolean {
  return step.members.type === 'pipeline@1';
}

/** The steps of the pipeline that a step calls, with the ids that they have in the scope of the caller. */
function expand(
  rendering: Rendering,
  step: DraftStep,
  outerPath: string,
  names: readonly string[],
  parameters: Map<string, BoundParameter>,
): readonly DraftStep[] {
  const path = outerPath === '' ? `steps.${step.id}` : outerPath;
  const call = subPipelineCall(rendering, step, path);
  if (call === null) return [];
  const template = calledTemplate(rendering, call, names, path);
  if (template === null) return [];
  const passed: Passed = {
    values: call.parameters,
    origin: step.origins.get('inputs.parameters') ?? step.origin,
  };
  const inner = assemble(rendering, template, passed, path, names);
  if (inner === null) return [];
  if (inner.inherited.failFast.value === false) {
    const message = `Sub-pipeline ${call.name} says failFast: false; the outermost pipeline alone decides that. Say it there.`;
    note(rendering, { code: 'sub-pipeline-fail-fast', path, message, severity: 'warning' });
  }
  const bindings = new Map(inner.wired);
  for (const [name, parameter] of inner.parameters) {
    const lifted = `${parameterPrefix(step.id)}${EXPANDED_PARAMETER_SEPARATOR}${name}`;
    if (parameters.has(lifted)) {
      const message = `Parameter ${name} of sub-pipeline ${call.name} becomes ${lifted}, which is there already. Rename the other one.`;
      note(rendering, { code: 'parameter-twice', path, message });
    }
    parameters.set(lifted, parameter);
    bindings.set(name, { name: lifted });
  }
  const ids = new Set(inner.steps.map(({ id }) => id));
  for (const each of inner.steps) {
    const changes = {
      step: (id: string) => (ids.has(id) ? { name: expandedId(step.id, id) } : null),
      parameter: (name: string) => bindings.get(name) ?? null,
    };
    rewireStep(each, changes, (member, problem) => {
      const message = `Step ${each.id} of sub-pipeline ${call.name} cannot be put in the place of ${step.id}: in its ${member}, ${problem}.`;
      note(rendering, { code: 'sub-pipeline-reference', path, message });
    });
    each.id = expandedId(step.id, each.id);
    const needs = needsOf(each).map((need) => (ids.has(need) ? expandedId(step.id, need) : need));
    each.members = { ...each.members, needs };
  }
  return inner.steps;
}

function expandedId(outer: string, inner: string): string {
  return `${outer}${EXPANDED_ID_SEPARATOR}${inner}`;
}

/** The id, or one with a number behind it that none of the steps has. */
function freeId(id: string, steps: readonly DraftStep[]): string {
  const taken = new Set(steps.map((step) => step.id));
  let free = id;
  for (let count = 2; taken.has(free); count += 1) free = `${id}-${count}`;
  return free;
}

/** A step id as the beginning of a name that an expression takes: `db-migrate` is `db_migrate`, `2nd` is `_2nd`. */
function parameterPrefix(id: string): string {
  const name = id.replaceAll('-', '_');
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

function calledTemplate(
  rendering: Rendering,
  call: SubPipelineCall,
  names: readonly string[],
  path: string,
): PipelineTemplate | null {
  const chain = [...names, call.name];
  if (names.includes(call.name)) {
    const message = `Pipelines contain each other: ${chain.join(' → ')}. Take one of the steps out.`;
    note(rendering, { code: 'sub-pipeline-cycle', path, message });
    return null;
  }
  if (names.length > MAX_PIPELINE_DEPTH) {
    const message = `Sub-pipelines are at most ${MAX_PIPELINE_DEPTH} deep: ${chain.join(' → ')}. Write the steps of one into the one around it.`;
    note(rendering, { code: 'pipeline-too-deep', path, message });
    return null;
  }
  const template = rendering.pipelines.get(call.name);
  if (template !== undefined) return template;
  const suggestion = rendering.nearest(call.name, rendering.pipelines.keys()) ?? null;
  const message = `Step ${path.split('.')[1]} runs pipeline ${call.name}, and there is no such pipeline.`;
  note(rendering, { code: 'pipeline-unknown', path, message, suggestion });
  return null;
}

function refuseReferencesToCalls(
  rendering: Rendering,
  steps: readonly DraftStep[],
  expansions: ReadonlyMap<string, Expansion>,
  path: string,
): void {
  for (const step of steps) {
    const found = new Set<string>();
    const changes = {
      step: (id: string) => {
        const first = expansions.get(id)?.ends[0];
        if (first === undefined) return null;
        const problem = `${id} is a sub-pipeline and has neither outcome nor outputs of its own; name one of its steps, such as ${first}`;
        found.add(problem);
        return { problem };
      },
      parameter: () => null,
    };
    rewireStep(step, changes, (member, problem) => {
      // An expression over all steps names none of these.
      if (!found.has(problem)) return;
      const at = path === '' ? `steps.${step.id}.${member}` : path;
      const message = `Step ${step.id} refers to a sub-pipeline in its ${member}: ${problem}.`;
      note(rendering, { code: 'sub-pipeline-reference', path: at, message });
    });
  }
}
