import type { ErrorObject } from 'ajv/dist/2020.js';
import type { PipelineProblem } from '../problem.ts';
import type { NearestName } from './nearest.ts';
import type { ValuePath } from './positioned-node.ts';
import type { PipelinePositions } from './positions.ts';

/** Problems as people read them, from errors of the schema's check. */
export function structureProblems(
  errors: readonly ErrorObject[],
  root: unknown,
  positions: PipelinePositions,
  nearest: NearestName,
): readonly PipelineProblem[] {
  return errors.map((error) => {
    const path = structurePath(error, root);
    const said = SAID[error.keyword]?.(error, path, nearest) ?? {
      code: 'pipeline-invalid',
      message: `${subject(path)} ${error.message ?? 'is not what the schema says'}.`,
      suggestion: 'Write what `sluice pipeline schema` says of it.',
    };
    const byKey = error.propertyName !== undefined || error.keyword === 'additionalProperties';
    const at = byKey ? positions.findKey(path) : positions.find(path);
    return { ...said, severity: 'error', at };
  });
}

/** The place that an error is about: the unknown member itself, not the object that has it. */
export function structurePath(error: ErrorObject, root: unknown): ValuePath {
  const path: (string | number)[] = [];
  let value = root;
  for (const part of error.instancePath.split('/').slice(1)) {
    const name = part.replace(/~1/g, '/').replace(/~0/g, '~');
    path.push(Array.isArray(value) ? Number(name) : name);
    value = (value as Readonly<Record<string, unknown>> | undefined)?.[name];
  }
  const extra: unknown = error.propertyName ?? error.params.additionalProperty;
  if (typeof extra === 'string') path.push(extra);
  return path;
}

type Said = Pick<PipelineProblem, 'code' | 'message'> & { readonly suggestion: string };

const SAID: Readonly<
  Record<string, (error: ErrorObject, path: ValuePath, nearest: NearestName) => Said>
> = {
  additionalProperties: (error, path, nearest) => {
    const known = knownFields(error);
    const name = String(path.at(-1));
    const best = nearest(name, known);
    return {
      code: 'field-unknown',
      message: `${error.parentSchema?.title === 'Removed step' ? 'A step that is taken out' : owner(path)} has no field ${quoted(name)}.`,
      suggestion: best === undefined ? `Known are ${listed(known)}.` : `Write ${best}.`,
    };
  },
  required: (error, path) => {
    const name = String(error.params.missingProperty);
    const found = suggestRequired(name);
    return {
      code: 'field-missing',
      message: `${subject(path)} lacks ${name}.`,
      suggestion: found ?? `Add ${name}.`,
    };
  },
  type: (error, path) => {
    const wanted = String(error.params.type);
    return {
      code: 'type-wrong',
      message: `${subject(path)} is ${kindOf(error.data)}; expected is ${KINDS[wanted] ?? wanted}.`,
      suggestion: suggestType(wanted, error.data) ?? `Write ${KINDS[wanted] ?? wanted}.`,
    };
  },
  enum: (error, path, nearest) => {
    const allowed = (error.params.allowedValues as readonly unknown[]).map(String);
    const best = nearest(String(error.data), allowed);
    return {
      code: 'value-unknown',
      message: `${subject(path)} is ${shownValue(error.data)}; taken are ${listed(allowed)}.`,
      suggestion: best === undefined ? `Write one of ${listed(allowed)}.` : `Write ${best}.`,
    };
  },
  const: (error, path) => ({
    code: 'value-unknown',
    message: `${subject(path)} is ${shownValue(error.data)}; expected is ${shownValue(error.params.allowedValue)}.`,
    suggestion: `Write ${shownValue(error.params.allowedValue)}.`,
  }),
  pattern: (error, path) => {
    const title: unknown = error.parentSchema?.title;
    const text = error.propertyName ?? error.data;
    const form = typeof title === 'string' ? title : `a text like ${String(error.params.pattern)}`;
    return {
      code: 'name-invalid',
      message: `${error.propertyName === undefined ? subject(path) : 'The name'} is ${shownValue(text)}; expected is ${form}.`,
      suggestion: suggestName(String(text), String(error.params.pattern)) ?? `It must be ${form}.`,
    };
  },
  uniqueItems: (error, path) => ({
    code: 'member-twice',
    message: `${subject(path)} has the same member at ${String(error.params.j)} and at ${String(error.params.i)}.`,
    suggestion: 'Keep one of them.',
  }),
  minimum: (error, path) => range(error, path),
  maximum: (error, path) => range(error, path),
  minLength: (error, path) => ({
    code: 'value-range',
    message: `${subject(path)} is shorter than ${String(error.params.limit)} characters.`,
    suggestion: `Write at least ${String(error.params.limit)}, or take it out.`,
  }),
  maxLength: (error, path) => ({
    code: 'value-range',
    message: `${subject(path)} is longer than ${String(error.params.limit)} characters.`,
    suggestion: 'Make it shorter.',
  }),
  minItems: (error, path) => ({
    code: 'value-range',
    message: `${subject(path)} has fewer members than ${String(error.params.limit)}.`,
    suggestion: isSteps(path) ? 'Add a step.' : 'Add what is missing, or take it out.',
  }),
  maxItems: (error, path) => ({
    code: isSteps(path) ? 'steps-too-many' : 'value-range',
    message: `${subject(path)} has more than ${String(error.params.limit)} members.`,
    suggestion: isSteps(path)
      ? 'Make sub-pipelines of it.'
      : `Keep ${String(error.params.limit)} of them.`,
  }),
  minProperties: (error, path) => fields(error, path),
  maxProperties: (error, path) => fields(error, path),
};

function range(error: ErrorObject, path: ValuePath): Said {
  const { comparison, limit } = error.params as { comparison: string; limit: number };
  const bound = comparison === '>=' ? 'at least' : 'at most';
  const message = `${subject(path)} is ${shownValue(error.data)}; taken is ${bound} ${limit}.`;
  return { code: 'value-range', message, suggestion: `Write ${limit}.` };
}

function fields(error: ErrorObject, path: ValuePath): Said {
  const limit = Number(error.params.limit);
  const known = knownFields(error);
  if (limit !== 1 || known.length === 0) {
    const message = `${subject(path)} has more than ${limit} fields.`;
    return { code: 'value-range', message, suggestion: `Keep ${limit} of them.` };
  }
  const message = `${subject(path)} takes exactly one of ${listed(known)}.`;
  return { code: 'value-range', message, suggestion: `Keep one of ${listed(known)}.` };
}

/** Fields that the schema at hand knows, but for what is read by editors alone. */
function knownFields(error: ErrorObject): readonly string[] {
  const names = Object.keys(error.parentSchema?.properties ?? {});
  return names.filter((name) => !name.startsWith('$'));
}

const isSteps = (path: ValuePath): boolean => path.length === 1 && path[0] === 'steps';

function suggestRequired(name: string): string | undefined {
  if (name === 'schema') return 'Add `schema: sluice.pipeline/v2`.';
  if (name === 'version') return 'Add `version: 1`.';
  return name === 'type' ? 'Add its type, such as `type: deploy@1`.' : undefined;
}

function suggestType(wanted: string, data: unknown): string | null {
  const scalar = typeof data === 'number' || typeof data === 'boolean' || typeof data === 'string';
  if (wanted === 'string' && scalar) return `Write ${JSON.stringify(String(data))}, with quotes.`;
  if (wanted === 'array' && scalar) return `Write [${String(data).slice(0, 80)}].`;
  const number = typeof data === 'string' && /^-?[0-9]+$/.test(data.trim());
  if ((wanted === 'integer' || wanted === 'number') && number) {
    return `Write ${data.trim()}, without quotes.`;
  }
  if (wanted === 'integer' && typeof data === 'number') return `Write ${Math.round(data)}.`;
  if (wanted === 'boolean' && typeof data === 'string') {
    if (/^(?:yes|on|true)$/i.test(data)) return 'Write true.';
    if (/^(?:no|off|false)$/i.test(data)) return 'Write false.';
  }
  if (data === null) return 'Write it, or take the field out.';
  return null;
}

/** The name made to fit, where a little change does. */
function suggestName(text: string, pattern: string): string | null {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
  const camel = text.replace(
    /[^A-Za-z0-9]+(.)?/g,
    (_, next: string | undefined) => next?.toUpperCase() ?? '',
  );
  const fits = [plain, camel, `${text}@1`].find((name) => new RegExp(pattern).test(name));
  return fits === undefined ? null : `Write ${fits}.`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function kindOf(data: unknown): string {
  if (data === null) return 'empty';
  if (Array.isArray(data)) return 'a list';
  if (typeof data === 'object') return 'an object';
  return `${typeof data === 'string' ? 'the text' : typeof data === 'number' ? 'the number' : 'the truth value'} ${shownValue(data)}`;
}

function shownValue(data: unknown): string {
  const text = typeof data === 'object' && data !== null ? kindOf(data) : JSON.stringify(data);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

const quoted = (name: string): string => shownValue(name);

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

function subject(path: ValuePath): string {
  const last = path.at(-1);
  if (last === undefined) return 'The pipeline';
  return typeof last === 'number' ? `Member ${last} of ${String(path.at(-2))}` : last.slice(0, 80);
}

function owner(path: ValuePath): string {
  const parent = path.slice(0, -1);
  const step = typeof parent.at(-1) === 'number' && parent.at(-2) === 'steps';
  return step ? 'A step' : subject(parent);
}
