import type { StepType } from './step-type.ts';
import type { ObjectSchema, ValueSchema } from './value-schema.ts';
import { findValueFaults, formatValuePath, type ValueFault } from './values.ts';
import { findSchemaFaults } from './values-schema.ts';
import { listNames } from './values-text.ts';

/** Seconds that a step has beside the work whose length its input says: for starting, recording and ending. */
export const DURATION_RESERVE_SECONDS = 60;

/** Names of outputs that a step declares itself: identifiers, so that a reference and CEL can say them. */
const OUTPUT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;

/**
 * What is wrong with a step's inputs as they are when it begins, everything wired replaced by its value: by its schema, by the
 * inputs that exclude each other, and by the outputs that it declares.
 * @param secrets names of inputs that are given as secrets: those have no value here
 */
export function findInputFaults(
  type: StepType,
  inputs: unknown,
  secrets: readonly string[] = [],
): readonly ValueFault[] {
  const required = (type.inputs.required ?? []).filter((name) => !secrets.includes(name));
  const faults = [
    ...findValueFaults({ ...type.inputs, required }, inputs),
    ...secrets
      .filter((name) => type.secretInputs?.includes(name) !== true)
      .map((name) => fault([name], 'is a secret', 'a value: this input would show it')),
  ];
  if (faults.length > 0) return faults;
  const given = inputs as Readonly<Record<string, unknown>>;
  return [
    ...findChoiceFaults(type, [...Object.keys(given), ...secrets]),
    ...findDeclarationFaults(type, given),
  ];
}

/** Faults of inputs that exclude each other, by the names of the inputs that are given, wired or not. */
export function findChoiceFaults(type: StepType, given: readonly string[]): readonly ValueFault[] {
  return (type.choices ?? []).flatMap(({ inputs, required }) => {
    const chosen = inputs.filter((name) => given.includes(name));
    if (chosen.length === 1 || (chosen.length === 0 && !required)) return [];
    const expected = `${required ? 'exactly' : 'at most'} one of ${listNames(inputs)}`;
    if (chosen.length === 0) return [fault([], `have none of ${listNames(inputs)}`, expected)];
    return chosen.slice(1).map((name) => fault([name], `stands beside ${chosen[0]}`, expected));
  });
}

function findDeclarationFaults(
  type: StepType,
  given: Readonly<Record<string, unknown>>,
): readonly ValueFault[] {
  const input = type.declaresOutputs;
  if (input === undefined || !Object.hasOwn(given, input)) return [];
  return Object.entries(given[input] as Readonly<Record<string, unknown>>).flatMap(
    ([name, schema]) => {
      const at = [input, name];
      if (!OUTPUT_NAME.test(name)) {
        return [
          fault(at, 'is no name of an output', 'called by letters, digits and _, at most 63'),
        ];
      }
      if (Object.hasOwn(type.outputs.properties, name)) {
        return [
          fault(at, `is what ${type.type}@${type.version} gives already`, 'called otherwise'),
        ];
      }
      return findSchemaFaults(schema).map((own) => {
        const segments = [...at, ...own.segments];
        return { ...own, segments, path: formatValuePath(segments), message: within(at, own) };
      });
    },
  );
}

/** The message of a fault of a part, said of the whole. */
function within(at: readonly string[], { path, message }: ValueFault): string {
  const whole = formatValuePath(at);
  if (path === '') return message.replace('The schema', whole);
  return `${whole}${path.startsWith('[') ? '' : '.'}${message}`;
}

/**
 * What a step gives: its type's outputs, and those that it declares, all of which it must give.
 * @param inputs without faults, see {@link findInputFaults}; those that declare nothing may be left out
 */
export function outputSchemaOf(
  type: StepType,
  inputs: Readonly<Record<string, unknown>>,
): ObjectSchema {
  const input = type.declaresOutputs;
  if (input === undefined || !Object.hasOwn(inputs, input)) return type.outputs;
  const declared = inputs[input] as Readonly<Record<string, ValueSchema>>;
  return {
    ...type.outputs,
    properties: { ...type.outputs.properties, ...declared },
    required: [...(type.outputs.required ?? []), ...Object.keys(declared)],
  };
}

/** How long a step's work lasts by its inputs. Seconds; undefined where they do not say (or say it by a reference). */
export function durationOf(type: StepType, inputs: unknown): number | undefined {
  if (type.durationInput === undefined) return undefined;
  let value: unknown = inputs;
  for (const name of type.durationInput.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/**
 * Timeout of one attempt of a step that names none: its work's length and {@link DURATION_RESERVE_SECONDS} where its inputs say it, else
 * its type's. At most the type's `maxTimeoutSeconds`.
 */
export function defaultTimeoutSeconds(type: StepType, inputs: unknown): number {
  const lasts = durationOf(type, inputs);
  if (lasts === undefined) return type.timeoutSeconds;
  return Math.min(lasts + DURATION_RESERVE_SECONDS, type.maxTimeoutSeconds);
}

function fault(segments: readonly string[], what: string, expected: string): ValueFault {
  const path = formatValuePath(segments);
  const subject = path === '' ? 'The inputs' : path;
  const end = path === '' ? `give ${expected}` : `it must be ${expected}`;
  return { path, segments, message: `${subject} ${what}; ${end}.`, expected };
}
