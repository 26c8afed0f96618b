import { findValueFaults, type InputValue, type JsonValue, type WiredInput } from '@sluice/domain';
import type { BoundParameter } from './draft.ts';
import type { Declared, Inherited } from './inherit.ts';
import { GIVEN, type Origin, pipelineOrigin } from './origin.ts';
import { note, type Rendering } from './rendering.ts';
import { constantOf, isWired, sortedMembers } from './wired.ts';

/** Values for parameters, and who gives them. */
export interface Passed {
  readonly values: ReadonlyMap<string, InputValue>;
  readonly origin: Origin;
}

/** What comes with a promotion: JSON values, none of them wired. */
export function passedWithPromotion(values: Readonly<Record<string, JsonValue>>): Passed {
  return { values: new Map(Object.entries(values)), origin: GIVEN };
}

/** Parameters whose values are known, and those that a sub-pipeline gets when its steps begin. */
export interface BoundParameters {
  readonly known: ReadonlyMap<string, BoundParameter>;
  readonly wired: ReadonlyMap<string, WiredInput>;
}

/**
 * Passed before the environment's before the default's. Missing and unknown ones are problems.
 * @param path where problems are shown: empty for the promotion's own
 */
export function bindParameters(
  rendering: Rendering,
  inherited: Inherited,
  passed: Passed,
  path: string,
): BoundParameters {
  const label = pipelineOrigin(inherited.self);
  const declared = inherited.parameters;
  for (const [name, origin] of givenNames(inherited, passed)) {
    if (declared.has(name)) continue;
    note(rendering, {
      code: 'parameter-unknown',
      path: path === '' ? `parameters.${name}` : path,
      message: `Pipeline ${label} has no parameter ${name}, which is ${origin === GIVEN ? GIVEN : `set by ${origin}`}.`,
      suggestion: rendering.nearest(name, declared.keys()) ?? null,
    });
  }
  const known = new Map<string, BoundParameter>();
  const wired = new Map<string, WiredInput>();
  for (const [name, parameter] of [...declared].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const found = valueOf(name, parameter, inherited, passed);
    if (found === null) {
      const message = `Parameter ${name} of pipeline ${label} has no default and no value. Give it one.`;
      const at = path === '' ? `parameters.${name}` : path;
      note(rendering, { code: 'parameter-missing', path: at, message });
      continue;
    }
    const value = found.wirable ? constantOf(found.value as InputValue) : found.value;
    if (value === undefined) {
      wired.set(name, found.value as WiredInput);
      continue;
    }
    const at = path === '' ? `parameters.${name}` : path;
    for (const fault of findValueFaults(parameter.template.schema, value)) {
      const message = `Parameter ${name} of pipeline ${label}, by ${found.origin}: ${fault.message}`;
      note(rendering, { code: 'parameter-invalid', path: at, message });
    }
    const schema = sortedMembers(parameter.template.schema);
    known.set(name, { schema, value: sortedMembers(value) as JsonValue, origin: found.origin });
  }
  return { known, wired };
}

function* givenNames(inherited: Inherited, passed: Passed): Iterable<[string, Origin]> {
  for (const name of passed.values.keys()) yield [name, passed.origin];
  for (const [name, { origin }] of inherited.environmentValues) yield [name, origin];
}

function valueOf(name: string, parameter: Declared, inherited: Inherited, passed: Passed) {
  const given = passed.values.get(name);
  if (given !== undefined) {
    // What comes with a promotion is data: `{"ref": …}` in it is an object and points nowhere.
    const wirable = passed.origin !== GIVEN && isWired(given);
    return { value: given as unknown, origin: passed.origin, wirable };
  }
  const environment = inherited.environmentValues.get(name);
  if (environment !== undefined) return { ...environment, wirable: false };
  const { default: value } = parameter.template;
  return value === undefined ? null : { value, origin: parameter.origin, wirable: false };
}
