import {
  MAX_PIPELINE_DEPTH,
  type ParameterTemplate,
  type PipelineRef,
  type PipelineTemplate,
  type StepOverride,
} from '@sluice/domain';
import { type DraftStep, mergeInto, needsOf } from './draft.ts';
import { DEFAULT, environmentOrigin, type Origin, pipelineOrigin } from './origin.ts';
import { note, type Rendering } from './rendering.ts';

/** One pipeline with all that it extends, and the environment's overrides. */
export interface Inherited {
  readonly self: PipelineRef;
  readonly description: { readonly text: string; readonly origin: Origin } | null;
  readonly failFast: { readonly value: boolean; readonly origin: Origin };
  readonly steps: readonly DraftStep[];
  readonly parameters: ReadonlyMap<string, Declared>;
  /** What the environment gives, by parameter. */
  readonly environmentValues: ReadonlyMap<string, { value: unknown; origin: Origin }>;
}

/** A parameter as it was declared. */
export interface Declared {
  readonly template: ParameterTemplate;
  readonly origin: Origin;
}

/**
 * Applies what a template extends, from the farthest base on, and then the environment's overrides in the same order: what is said of an
 * environment holds against what is said of all of them. A step that is taken out leaves its needs to those that needed it.
 * @param path of the template in problems: empty for the whole, `steps.rollout` for a sub-pipeline
 * @returns null when a base is missing, or they extend each other
 */
export function inherit(
  rendering: Rendering,
  template: PipelineTemplate,
  path: string,
): Inherited | null {
  const chain = chainOf(rendering, template, path);
  if (chain === null) return null;
  const steps: DraftStep[] = [];
  const removed = new Set<string>();
  const parameters = new Map<string, Declared>();
  const environmentValues = new Map<string, { value: unknown; origin: Origin }>();
  let description: Inherited['description'] = null;
  let failFast: Inherited['failFast'] = { value: true, origin: DEFAULT };

  for (const [level, each] of chain.entries()) {
    const origin = pipelineOrigin(each);
    if (each.description !== undefined) description = { text: each.description, origin };
    if (each.failFast !== undefined) failFast = { value: each.failFast, origin };
    for (const [name, declared] of Object.entries(each.parameters ?? {})) {
      parameters.set(name, { template: declared, origin });
    }
    applySteps(rendering, steps, each.steps, { origin, path, removed, first: level === 0 });
  }
  for (const each of rendering.environment === undefined ? [] : chain) {
    const override = memberOf(each.environments, rendering.environment);
    if (override === undefined) continue;
    const origin = environmentOrigin(rendering.environment as string, each);
    for (const [name, value] of Object.entries(override.parameters ?? {})) {
      environmentValues.set(name, { value, origin });
    }
    // A base cannot know what those who extend it have taken out.
    const known = each === template ? NONE : removed;
    const overrides = (override.steps ?? []).filter((step) => !known.has(step.id));
    applySteps(rendering, steps, overrides, { origin, path, removed, first: false });
  }
  const self = { name: template.name, version: template.version };
  return { self, description, failFast, steps, parameters, environmentValues };
}

const NONE: ReadonlySet<string> = new Set();

function memberOf<T>(record: Readonly<Record<string, T>> | undefined, name: string | undefined) {
  if (record === undefined || name === undefined || !Object.hasOwn(record, name)) return undefined;
  return record[name];
}

function chainOf(
  rendering: Rendering,
  template: PipelineTemplate,
  path: string,
): readonly PipelineTemplate[] | null {
  const chain = [template];
  const names = [pipelineOrigin(template)];
  const at = path === '' ? 'extends' : path;
  for (let ref = template.extends; ref !== undefined; ref = chain[0]?.extends) {
    const name = pipelineOrigin(ref);
    names.push(name);
    if (names.indexOf(name) < names.length - 1) {
      const message = `Pipelines extend each other: ${names.join(' → ')}. Let one of them begin from nothing.`;
      note(rendering, { code: 'pipeline-extends-cycle', path: at, message });
      return null;
    }
    if (names.length > MAX_PIPELINE_DEPTH + 1) {
      const message = `${names[0]} extends pipelines ${MAX_PIPELINE_DEPTH} times over and more: ${names.join(' → ')}. Extend a nearer one.`;
      note(rendering, { code: 'pipeline-too-deep', path: at, message });
      return null;
    }
    const base = rendering.pipelines.get(name);
    if (base === undefined) {
      const message = `${names.at(-2)} extends ${name}, and there is no such pipeline.`;
      const suggestion = rendering.nearest(name, rendering.pipelines.keys()) ?? null;
      note(rendering, { code: 'pipeline-unknown', path: at, message, suggestion });
      return null;
    }
    chain.unshift(base);
  }
  return chain;
}

function applySteps(
  rendering: Rendering,
  steps: DraftStep[],
  overrides: readonly StepOverride[],
  layer: { origin: Origin; path: string; removed: Set<string>; first: boolean },
): void {
  const seen = new Set<string>();
  const index = new Map(steps.map((step) => [step.id, step]));
  for (const override of overrides) {
    const { id } = override;
    const path = layer.path === '' ? `steps.${id}` : layer.path;
    const found = index.get(id);
    if (seen.has(id)) {
      const message = `Step ${id} stands twice in ${layer.origin}. Give one of them another id.`;
      note(rendering, { code: 'step-id-twice', path, message });
      continue;
    }
    seen.add(id);
    if (override.remove === true) {
      if (found === undefined) {
        const message = `${layer.origin} removes step ${id}, and there is none.`;
        const suggestion = rendering.nearest(id, index.keys()) ?? null;
        note(rendering, { code: 'step-remove-unknown', path, message, suggestion });
        continue;
      }
      index.delete(id);
      layer.removed.add(id);
      takeOut(steps, found, layer.origin);
      continue;
    }
    if (found !== undefined) {
      mergeInto(found, override, layer.origin);
    } else if (override.type === undefined) {
      const message = `Step ${id} in ${layer.origin} is new and has no type.`;
      const suggestion = layer.first ? null : (rendering.nearest(id, index.keys()) ?? null);
      note(rendering, { code: 'step-type-missing', path, message, suggestion });
    } else {
      const draft: DraftStep = {
        id,
        origin: layer.origin,
        members: { type: override.type },
        origins: new Map(),
      };
      mergeInto(draft, override, layer.origin);
      index.set(id, draft);
      layer.removed.delete(id);
      steps.push(draft);
    }
  }
}

/** What needed it needs what it needed: so `environments.development` can take an approval out by one line. */
function takeOut(steps: DraftStep[], taken: DraftStep, origin: Origin): void {
  steps.splice(steps.indexOf(taken), 1);
  for (const step of steps) {
    const needs = needsOf(step);
    if (!needs.includes(taken.id)) continue;
    const bridged = needs.flatMap((need) => (need === taken.id ? needsOf(taken) : [need]));
    step.members = { ...step.members, needs: [...new Set(bridged)] };
    step.origins.set('needs', origin);
  }
}
