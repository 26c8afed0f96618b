import { PIPELINE_TEMPLATE_SCHEMA, type PipelineTemplate } from '@sluice/domain';
import type { ErrorObject } from 'ajv/dist/2020.js';
import type { ValuePath } from './positioned-node.ts';
import { findStructureErrors, MAX_STRUCTURE_ERRORS } from './structure.ts';
import { structurePath } from './structure-problems.ts';

/** What is left of a pipeline whose form is wrong in places, so that the rest is judged in the same go. */
export interface PipelineDraft {
  /** Well-formed; steps keep their places in their lists. */
  readonly template: PipelineTemplate;
  /** What was taken out, or may be meant by what was: nothing is said about it, or because of it. */
  readonly lost: readonly ValuePath[];
}

/** Type of a step that has lost its own. */
export const LOST_STEP_TYPE = 'lost@1';

/** Rounds of taking out: a place that was wrong can hide another one. */
const MAX_ROUNDS = 3;

type Members = Record<string, unknown>;

/** A draft of a pipeline with errors of form; null where it is no object or nothing else could be judged. */
export function draftOf(value: unknown, errors: readonly ErrorObject[]): PipelineDraft | null {
  if (!isObject(value) || errors.length >= MAX_STRUCTURE_ERRORS) return null;
  const draft = structuredClone(value);
  const lost: ValuePath[] = [];
  let found = errors;
  for (let round = 0; found.length > 0; round += 1) {
    if (round === MAX_ROUNDS) return null;
    for (const path of found.map((error) => structurePath(error, value))) {
      takeOut(draft, path, lost);
    }
    found = findStructureErrors(draft);
  }
  return { template: draft as unknown as PipelineTemplate, lost };
}

function takeOut(draft: Members, path: ValuePath, lost: ValuePath[]): void {
  const at = stepPlace(path);
  if (at !== null) return takeOutOfStep(draft, path, at, lost);
  const [first, name] = path;
  if (first === 'parameters' && typeof name === 'string') {
    lost.push(['parameters', name]);
    const parameters = draft['parameters'];
    if (isObject(parameters)) delete parameters[name];
  } else if (first === 'environments' && typeof name === 'string') {
    const environments = draft['environments'];
    if (isObject(environments)) delete environments[name];
  } else if (typeof first === 'string' && first !== 'steps') {
    if (first === 'parameters' || first === 'extends') lost.push([first]);
    delete draft[first];
  }
  restore(draft, lost);
}

/** What every pipeline has. */
function restore(draft: Members, lost: ValuePath[]): void {
  draft['schema'] ??= PIPELINE_TEMPLATE_SCHEMA;
  draft['name'] ??= 'lost';
  draft['version'] ??= 1;
  const steps = draft['steps'];
  if (!Array.isArray(steps) || steps.length === 0) {
    lost.push(['steps']);
    draft['steps'] = [{ id: 'lost', type: LOST_STEP_TYPE }];
  }
}

/** Length of the path of the step that a path leads into; null for other paths. */
function stepPlace(path: ValuePath): number | null {
  if (path[0] === 'steps' && typeof path[1] === 'number') return 2;
  const override = path[0] === 'environments' && path[2] === 'steps' && typeof path[3] === 'number';
  return override ? 4 : null;
}

/** What a field that is not known may have been meant to be. */
const MEANT = ['needs', 'inputs', 'matrix', 'when', 'if', 'continueOnFailure', 'timeoutSeconds'];

const KNOWN: ReadonlySet<string> = new Set([
  ...MEANT,
  'id',
  'type',
  'description',
  'retry',
  'concurrencyGroup',
  'compensate',
  'remove',
]);

function takeOutOfStep(draft: Members, path: ValuePath, at: number, lost: ValuePath[]): void {
  const place = path.slice(0, at);
  const steps = place.slice(0, -1).reduce<unknown>(member, draft);
  const index = place.at(-1) as number;
  if (!Array.isArray(steps)) return;
  const step: unknown = steps[index];
  const name = path[at];
  if (!isObject(step)) {
    lost.push(place, [...place, 'id']);
    steps[index] = lostStep(index);
    return;
  }
  const inner = path[at + 1];
  if (name === 'inputs' && typeof inner === 'string' && isObject(step['inputs'])) {
    lost.push([...place, 'inputs', inner]);
    delete step['inputs'][inner];
  } else if (typeof name === 'string' && name !== 'id' && name !== 'type') {
    if (KNOWN.has(name)) lost.push([...place, name]);
    else for (const meant of MEANT) if (!Object.hasOwn(step, meant)) lost.push([...place, meant]);
    delete step[name];
  } else {
    // Its id or its type is missing or wrong.
    if (name === 'id' || typeof step['id'] !== 'string') {
      lost.push([...place, 'id']);
      step['id'] = lostStep(index).id;
    }
    if (name === 'type' || typeof step['type'] !== 'string') {
      lost.push([...place, 'type']);
      if (place.length === 2) step['type'] = LOST_STEP_TYPE;
      else delete step['type'];
    }
  }
}

const lostStep = (index: number): { readonly id: string; readonly type: string } => ({
  id: `lost-${index}`,
  type: LOST_STEP_TYPE,
});

function member(value: unknown, name: string | number): unknown {
  return typeof value === 'object' && value !== null ? (value as Members)[name] : undefined;
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
