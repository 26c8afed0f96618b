import {
  type ArraySchema,
  DEFAULT_MAX_ITEMS,
  DEFAULT_MAX_LENGTH,
  type NumberSchema,
  type ObjectSchema,
  type StringSchema,
  type ValueSchema,
} from './value-schema.ts';
import { describeSchema, hasFormat, listNames } from './values-text.ts';

/** One thing that is wrong with a value. Texts of the value are not repeated: one of them may be a secret. */
export interface ValueFault {
  /** `probes[0].url`; empty for the whole value. */
  readonly path: string;
  /** The same as parts: names of members and places in lists, from 0. */
  readonly segments: readonly (string | number)[];
  /** One sentence: what is there and what must be. */
  readonly message: string;
  /** What must be, as the end of a sentence. */
  readonly expected: string;
}

/** Faults that are told at once. */
export const MAX_VALUE_FAULTS = 100;

/** Values within values: deeper ones are refused. The whole value is 0. */
export const MAX_VALUE_DEPTH = 64;

/** Texts, numbers, lists … of one value, each place counted: more are refused, also where places share one object. */
export const MAX_VALUE_PARTS = 200_000;

/** What can't be a member's name, for code that copies members would set a prototype. */
export const FORBIDDEN_NAME = '__proto__';

/**
 * What is wrong with a value: at most {@link MAX_VALUE_FAULTS} faults, those of a value's members in their order. Empty when the
 * schema takes it. Only own members count; what JSON can't hold is a fault wherever it stands.
 * @param schema a well-formed one, see `findSchemaFaults`
 */
export function findValueFaults(schema: ValueSchema, value: unknown): readonly ValueFault[] {
  const walk: Walk = { faults: [], parts: 0, isOver: false };
  visit(walk, schema, value, []);
  return walk.faults;
}

/** True when a schema takes a value. */
export function isValueOf(schema: ValueSchema, value: unknown): boolean {
  return findValueFaults(schema, value).length === 0;
}

/** `probes[0].url` of its parts. */
export function formatValuePath(segments: readonly (string | number)[]): string {
  let path = '';
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`;
    else if (!/^[A-Za-z_][A-Za-z0-9_-]{0,199}$/.test(segment)) {
      path += `[${JSON.stringify(segment.slice(0, 200))}]`;
    } else path += path === '' ? segment : `.${segment}`;
  }
  return path;
}

interface Walk {
  readonly faults: ValueFault[];
  parts: number;
  /** Enough was found, or too much was there: nothing else is looked at. */
  isOver: boolean;
}

type Segments = readonly (string | number)[];

const ANY: ValueSchema = { type: 'any' };

function visit(walk: Walk, schema: ValueSchema, value: unknown, at: Segments): void {
  if (walk.isOver) return;
  walk.parts += 1;
  if (walk.parts > MAX_VALUE_PARTS) {
    tell(walk, at, `is the part ${walk.parts} of its value`, `of at most ${MAX_VALUE_PARTS} parts`);
    walk.isOver = true;
    return;
  }
  if (at.length > MAX_VALUE_DEPTH) {
    tell(walk, at, `is ${at.length} levels deep`, `at most ${MAX_VALUE_DEPTH} levels deep`);
    return;
  }
  if (!isJsonShaped(value)) {
    tell(walk, at, `is ${found(value)}`, describeSchema(schema));
    return;
  }
  switch (schema.type) {
    case 'string':
      return visitText(walk, schema, value, at);
    case 'integer':
    case 'number':
      return visitNumber(walk, schema, value, at);
    case 'boolean':
      if (typeof value !== 'boolean') mismatch(walk, schema, value, at);
      return;
    case 'array':
      return visitList(walk, schema, value, at);
    case 'object':
      return visitObject(walk, schema, value, at);
    case 'any':
      return visitAny(walk, value, at);
  }
}

function visitText(walk: Walk, schema: StringSchema, value: unknown, at: Segments): void {
  if (typeof value !== 'string') return mismatch(walk, schema, value, at);
  // Before the pattern: it is never asked about more than the schema allows.
  const { minLength = 0, maxLength = DEFAULT_MAX_LENGTH } = schema;
  const fits = value.length >= minLength && value.length <= maxLength;
  if (!fits || (schema.enum !== undefined && !schema.enum.includes(value))) {
    const expected = fits
      ? describeSchema(schema)
      : describeSchema({ type: 'string', minLength, maxLength });
    return tell(walk, at, `is ${found(value)}`, expected);
  }
  if (schema.format !== undefined && !hasFormat(schema.format, value)) {
    mismatch(walk, { type: 'string', format: schema.format }, value, at);
  }
}

function visitNumber(walk: Walk, schema: NumberSchema, value: unknown, at: Segments): void {
  const { minimum = -Infinity, maximum = Infinity } = schema;
  const fits =
    typeof value === 'number' &&
    (schema.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
    value >= minimum &&
    value <= maximum;
  if (!fits) mismatch(walk, schema, value, at);
}

function visitList(walk: Walk, schema: ArraySchema, value: unknown, at: Segments): void {
  if (!Array.isArray(value)) return mismatch(walk, schema, value, at);
  const { minItems = 0, maxItems = DEFAULT_MAX_ITEMS } = schema;
  if (value.length < minItems || value.length > maxItems) mismatch(walk, schema, value, at);
  for (let index = 0; index < Math.min(value.length, maxItems) && !walk.isOver; index += 1) {
    visit(walk, schema.items, value[index], [...at, index]);
  }
}

function visitObject(walk: Walk, schema: ObjectSchema, value: unknown, at: Segments): void {
  if (!isPlainObject(value)) return mismatch(walk, schema, value, at);
  const names = Object.keys(value);
  if (names.length > DEFAULT_MAX_ITEMS) {
    tell(walk, at, `has ${names.length} members`, `an object of at most ${DEFAULT_MAX_ITEMS}`);
    return;
  }
  for (const name of names) {
    if (walk.isOver) return;
    const known = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    const member = known ?? schema.additional;
    if (member === undefined) {
      const expected = `one of ${listNames(Object.keys(schema.properties))}`;
      const own = Object.keys(schema.properties).length === 0 ? 'left out' : expected;
      tell(walk, [...at, name], 'is not known here', own);
    } else visitMember(walk, member, value, name, at);
  }
  for (const name of schema.required ?? []) {
    if (Object.hasOwn(value, name)) continue;
    const member = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    tell(walk, [...at, name], 'is missing', describeSchema(member ?? schema.additional ?? ANY));
  }
}

function visitAny(walk: Walk, value: unknown, at: Segments): void {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && !walk.isOver; index += 1) {
      visit(walk, ANY, value[index], [...at, index]);
    }
  } else if (isPlainObject(value)) {
    for (const name of Object.keys(value)) {
      if (walk.isOver) return;
      visitMember(walk, ANY, value, name, at);
    }
  }
}

function visitMember(
  walk: Walk,
  schema: ValueSchema,
  value: Readonly<Record<string, unknown>>,
  name: string,
  at: Segments,
): void {
  if (name === FORBIDDEN_NAME || LONE_SURROGATE.test(name)) {
    return tell(walk, [...at, name], 'has a name that is not allowed', 'called otherwise');
  }
  visit(walk, schema, value[name], [...at, name]);
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** True for what JSON can hold, looking at the outside of lists and objects alone. */
function isJsonShaped(value: unknown): boolean {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'string') return !LONE_SURROGATE.test(value);
  return Array.isArray(value) || isPlainObject(value);
}

/** Also for objects of another realm, whose `Object.prototype` is another one. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function mismatch(walk: Walk, schema: ValueSchema, value: unknown, at: Segments): void {
  tell(walk, at, `is ${found(value)}`, describeSchema(schema));
}

function tell(walk: Walk, at: Segments, what: string, expected: string): void {
  if (walk.isOver) return;
  const path = formatValuePath(at);
  const message = `${path === '' ? 'The value' : path} ${what}; it must be ${expected}.`;
  walk.faults.push({ path, segments: at, message, expected });
  walk.isOver = walk.faults.length >= MAX_VALUE_FAULTS;
}

function found(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    return Number.isFinite(value) ? `the number ${value}` : `${value}, which JSON can't hold`;
  }
  if (typeof value === 'string') {
    if (LONE_SURROGATE.test(value)) return 'a text that is no Unicode';
    return value === '' ? 'an empty text' : `a text of ${value.length} characters`;
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return isPlainObject(value) ? 'an object' : `${typeof value}, which JSON can't hold`;
}
