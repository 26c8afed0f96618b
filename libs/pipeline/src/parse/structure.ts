import { readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';

/** The published JSON Schema of pipelines (draft 2020-12). */
export const PIPELINE_JSON_SCHEMA: Readonly<Record<string, unknown>> = JSON.parse(
  readFileSync(new URL('../../schema/pipeline.schema.json', import.meta.url), 'utf8'),
);

/** Errors of one value that are looked at: a file with more of them is another file. */
export const MAX_STRUCTURE_ERRORS = 1000;

/** Definitions of the published schema that are made from the registered step types. */
export const STEP_TYPE_DEFINITIONS = ['knownType', 'typedInputs', 'typedStep'] as const;

/**
 * The form of pipelines: the published schema with nothing in it about the step types that are registered. A type that nobody knows and inputs
 * that it doesn't take are told by the check of what a pipeline means, with its own words and places.
 */
export const PIPELINE_FORM_SCHEMA: Readonly<Record<string, unknown>> = {
  ...PIPELINE_JSON_SCHEMA,
  $defs: {
    ...(PIPELINE_JSON_SCHEMA['$defs'] as Readonly<Record<string, unknown>>),
    ...Object.fromEntries(STEP_TYPE_DEFINITIONS.map((name) => [name, {}])),
  },
};

let compiled: ValidateFunction | undefined;

/**
 * What the form has against a value, without the errors that only say that a branch has errors. The structure of pipelines is checked nowhere
 * else.
 */
export function findStructureErrors(value: unknown): readonly ErrorObject[] {
  compiled ??= new Ajv2020({
    allErrors: true,
    strict: true,
    verbose: true,
    ownProperties: true,
  }).compile(PIPELINE_FORM_SCHEMA);
  if (compiled(boundedView(value))) return [];
  const errors = (compiled.errors ?? []).filter(
    (error) => error.keyword !== 'if' && error.keyword !== 'propertyNames',
  );
  const seen = new Set<string>();
  const once = errors.slice(0, 2 * MAX_STRUCTURE_ERRORS).filter((error) => {
    const { instancePath, keyword, params, propertyName } = error;
    const key = JSON.stringify([instancePath, keyword, params, propertyName]);
    return seen.has(key) ? false : seen.add(key);
  });
  return once.slice(0, MAX_STRUCTURE_ERRORS);
}

/** One more than the schema takes of anything, so that it still says so. */
const MAX_VIEW_ITEMS = 5001;
const MAX_VIEW_MEMBERS = 1001;

/**
 * The value without what is beyond every limit of the schema: a validator joins the errors of each member with those before, which takes the
 * square of their number. Values that the schema doesn't look into stay as they are: what is cut there is not seen.
 */
function boundedView(value: unknown): unknown {
  if (Array.isArray(value)) {
    return (value.length > MAX_VIEW_ITEMS ? value.slice(0, MAX_VIEW_ITEMS) : value).map(
      boundedView,
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).slice(0, MAX_VIEW_MEMBERS);
  return Object.fromEntries(entries.map(([name, member]) => [name, boundedView(member)]));
}
