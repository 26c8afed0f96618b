import {
  DEFAULT_MAX_ITEMS,
  DEFAULT_MAX_LENGTH,
  type ObjectSchema,
  STRING_FORMATS,
  type ValueSchema,
} from './value-schema.ts';
import {
  FORBIDDEN_NAME,
  findValueFaults,
  formatValuePath,
  isValueOf,
  MAX_VALUE_FAULTS,
  type ValueFault,
} from './values.ts';

/** Schemas within schemas: deeper ones are refused. */
export const MAX_SCHEMA_DEPTH = 32;

/** Schemas in one schema: more are refused. */
export const MAX_SCHEMA_PARTS = 5000;

/** The most that a schema may set `maxLength` to. UTF-16 units. */
export const MAX_TEXT_LENGTH = 1_048_576;

/** The most that a schema may set `maxItems` to. */
export const MAX_LIST_ITEMS = 10_000;

const length = (maximum: number): ValueSchema => ({ type: 'integer', minimum: 0, maximum });

/** Their members are looked at one by one, so here they may be anything. */
const LATER: ValueSchema = { type: 'any' };

const FORMS: Readonly<Record<ValueSchema['type'], ObjectSchema['properties']>> = {
  string: {
    minLength: length(MAX_TEXT_LENGTH),
    maxLength: length(MAX_TEXT_LENGTH),
    enum: { type: 'array', items: { type: 'string', maxLength: 1000 }, minItems: 1, maxItems: 200 },
    format: { type: 'string', enum: [...STRING_FORMATS] },
  },
  integer: { minimum: { type: 'integer' }, maximum: { type: 'integer' } },
  number: { minimum: { type: 'number' }, maximum: { type: 'number' } },
  boolean: {},
  array: { items: LATER, minItems: length(MAX_LIST_ITEMS), maxItems: length(MAX_LIST_ITEMS) },
  object: {
    properties: LATER,
    required: { type: 'array', items: { type: 'string', maxLength: 200 } },
    additional: LATER,
  },
  any: {},
};

const REQUIRED: Readonly<Partial<Record<ValueSchema['type'], string>>> = {
  array: 'items',
  object: 'properties',
};

const TYPES = Object.keys(FORMS);

/**
 * What is wrong with something that should be a {@link ValueSchema}: at most {@link MAX_VALUE_FAULTS} faults. Empty when it is one that makes sense: also
 * bounds that leave nothing, required members that are not named, and texts of an `enum` that its own schema refuses are faults.
 */
export function findSchemaFaults(schema: unknown): readonly ValueFault[] {
  const walk: Walk = { faults: [], parts: 0 };
  visit(walk, schema, []);
  return walk.faults.slice(0, MAX_VALUE_FAULTS);
}

interface Walk {
  readonly faults: ValueFault[];
  parts: number;
}

type Segments = readonly (string | number)[];
type Members = Readonly<Record<string, unknown>>;

function visit(walk: Walk, schema: unknown, at: Segments, depth = 0): void {
  walk.parts += 1;
  if (walk.faults.length >= MAX_VALUE_FAULTS || walk.parts > MAX_SCHEMA_PARTS + 1) return;
  if (walk.parts > MAX_SCHEMA_PARTS) {
    return tell(walk, at, 'is one too many', `one of at most ${MAX_SCHEMA_PARTS} schemas`);
  }
  if (depth > MAX_SCHEMA_DEPTH) {
    return tell(walk, at, 'lies too deep', `at most ${MAX_SCHEMA_DEPTH} levels deep`);
  }
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    return tell(walk, at, 'is no schema', 'an object with type');
  }
  const members = schema as Members;
  const type = Object.hasOwn(members, 'type') ? members['type'] : undefined;
  if (typeof type !== 'string' || !TYPES.includes(type)) {
    return tell(walk, [...at, 'type'], 'is no type', `one of ${TYPES.join(', ')}`);
  }
  const before = walk.faults.length;
  checkForm(walk, type as ValueSchema['type'], members, at);
  // Bounds can be compared only when they are numbers.
  if (walk.faults.length === before) checkSense(walk, schema as ValueSchema, at);
  if (type === 'array' && Object.hasOwn(members, 'items')) {
    visit(walk, members['items'], [...at, 'items'], depth + 1);
  }
  if (type === 'object') visitMembers(walk, members, at, depth);
}

function checkForm(walk: Walk, type: ValueSchema['type'], members: Members, at: Segments): void {
  const required = REQUIRED[type];
  const form: ObjectSchema = {
    type: 'object',
    properties: {
      type: { type: 'string' },
      description: { type: 'string', maxLength: 1000 },
      ...FORMS[type],
    },
    required: required === undefined ? [] : [required],
  };
  const shallow = Object.fromEntries(
    Object.entries(members).map(([name, member]) => [
      name,
      Object.hasOwn(form.properties, name) && form.properties[name] === LATER ? null : member,
    ]),
  );
  for (const fault of findValueFaults(form, shallow)) {
    const segments = [...at, ...fault.segments];
    const path = formatValuePath(segments);
    const message = `${path}${fault.message.slice(fault.path.length)}`;
    walk.faults.push({ ...fault, path, segments, message });
  }
}

function checkSense(walk: Walk, schema: ValueSchema, at: Segments): void {
  if (schema.type === 'string') {
    const { minLength = 0, maxLength = DEFAULT_MAX_LENGTH } = schema;
    if (minLength > maxLength) crossed(walk, [...at, 'minLength'], 'maxLength', maxLength);
    for (const [index, text] of (schema.enum ?? []).entries()) {
      const place = [...at, 'enum', index];
      if (!isValueOf(schema, text)) tell(walk, place, 'breaks its own schema', 'a value of it');
      if (schema.enum?.indexOf(text) !== index) tell(walk, place, 'stands twice', 'there once');
    }
  } else if (schema.type === 'integer' || schema.type === 'number') {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    if (minimum > maximum) crossed(walk, [...at, 'minimum'], 'maximum', maximum);
  } else if (schema.type === 'array') {
    const { minItems = 0, maxItems = DEFAULT_MAX_ITEMS } = schema;
    if (minItems > maxItems) crossed(walk, [...at, 'minItems'], 'maxItems', maxItems);
  }
}

function visitMembers(walk: Walk, members: Members, at: Segments, depth: number): void {
  if (Object.hasOwn(members, 'additional')) {
    visit(walk, members['additional'], [...at, 'additional'], depth + 1);
  }
  const properties = Object.hasOwn(members, 'properties') ? members['properties'] : undefined;
  if (properties === undefined) return;
  const place = [...at, 'properties'];
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) {
    return tell(walk, place, 'is no object', 'an object: name and schema of each member');
  }
  const names = Object.keys(properties);
  if (names.length > DEFAULT_MAX_ITEMS) {
    return tell(walk, place, `has ${names.length} members`, `of at most ${DEFAULT_MAX_ITEMS}`);
  }
  for (const name of names) {
    if (name === FORBIDDEN_NAME || name === '' || name.length > 200) {
      tell(walk, [...place, name], 'has a name that is not allowed', 'called otherwise');
    } else visit(walk, (properties as Members)[name], [...place, name], depth + 1);
  }
  const required = Array.isArray(members['required']) ? (members['required'] as unknown[]) : [];
  for (const [index, name] of required.entries()) {
    if (typeof name !== 'string') continue;
    const own = [...at, 'required', index];
    if (!Object.hasOwn(properties, name)) tell(walk, own, 'names no property', 'one of properties');
    if (required.indexOf(name) !== index) tell(walk, own, 'stands twice', 'there once');
  }
}

function crossed(walk: Walk, at: Segments, other: string, value: number): void {
  tell(walk, at, `is more than ${other}`, `at most ${value}`);
}

function tell(walk: Walk, segments: Segments, what: string, expected: string): void {
  const path = formatValuePath(segments);
  const message = `${path === '' ? 'The schema' : path} ${what}; it must be ${expected}.`;
  walk.faults.push({ path, segments, message, expected });
}
