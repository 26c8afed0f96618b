import {
  DEFAULT_MAX_ITEMS,
  DEFAULT_MAX_LENGTH,
  type ObjectSchema,
  type StringFormat,
  type StringSchema,
  type ValueSchema,
} from './value-schema.ts';

/** What a {@link StringFormat} asks of a text. */
export interface TextFormat {
  /** ECMAScript pattern over the whole text, for the flag `u`; matches in linear time. */
  readonly pattern: string;
  /** Bounds that follow from the pattern. UTF-16 units; null where there is none. */
  readonly minLength: number;
  readonly maxLength: number | null;
  /** Formats that every such text has as well. */
  readonly implies: readonly StringFormat[];
  /** `a DNS label such as dev-host-1`. */
  readonly words: string;
}

const PORT = '(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';
const SEGMENT = '(?!\\.{1,2}(?:\\/|$))[^\\/\\\\\\u0000-\\u001f\\u007f]+';

/** All formats. Patterns serve the check here and the published JSON Schema alike. */
export const TEXT_FORMATS: Readonly<Record<StringFormat, TextFormat>> = {
  digest: {
    pattern: '^sha256:[0-9a-f]{64}$',
    minLength: 71,
    maxLength: 71,
    implies: ['relative-path'],
    words: 'a digest: sha256: and 64 lower-case hexadecimal digits',
  },
  name: {
    pattern: '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$',
    minLength: 1,
    maxLength: 63,
    implies: ['relative-path'],
    words: 'a name: a-z, 0-9 and - (not at either end), at most 63 characters',
  },
  url: {
    // Without user and password: they would stand in every log.
    pattern: `^https?:\\/\\/(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(?::${PORT})?(?:[\\/?#][\\u0021-\\u007e]*)?$`,
    minLength: 8,
    maxLength: null,
    implies: [],
    words: 'a URL that begins with http:// or https://, in ASCII, without user and password',
  },
  'relative-path': {
    pattern: `^${SEGMENT}(?:\\/${SEGMENT})*$`,
    minLength: 1,
    maxLength: null,
    implies: [],
    words: 'a relative path with /, without . and .. as parts',
  },
  time: {
    pattern:
      '^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?Z$',
    minLength: 20,
    maxLength: 30,
    implies: ['relative-path'],
    words: 'a time in UTC such as 2026-11-21T10:00:00Z',
  },
};

const COMPILED: ReadonlyMap<StringFormat, RegExp> = new Map(
  (Object.keys(TEXT_FORMATS) as StringFormat[]).map((format) => [
    format,
    new RegExp(TEXT_FORMATS[format].pattern, 'u'),
  ]),
);

/** True when a text has a format. */
export function hasFormat(format: StringFormat, text: string): boolean {
  if (COMPILED.get(format)?.test(text) !== true) return false;
  return format !== 'time' || isDayOfCalendar(text);
}

function isDayOfCalendar(time: string): boolean {
  const [year, month, day] = time.slice(0, 10).split('-').map(Number) as [number, number, number];
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (month === 2) return day <= (leap ? 29 : 28);
  return day <= ([4, 6, 9, 11].includes(month) ? 30 : 31);
}

/** Least and most UTF-16 units that a schema's own words and its format leave. */
export function lengthsOf(schema: StringSchema): { readonly min: number; readonly max: number } {
  const format = schema.format === undefined ? null : TEXT_FORMATS[schema.format];
  const max = schema.maxLength ?? DEFAULT_MAX_LENGTH;
  return {
    min: Math.max(schema.minLength ?? 0, format?.minLength ?? 0),
    max: Math.min(max, format?.maxLength ?? max),
  };
}

/** What a schema takes, in words that end a sentence: `a text of 1 to 63 characters`. */
export function describeSchema(schema: ValueSchema): string {
  switch (schema.type) {
    case 'string':
      return describeText(schema);
    case 'integer':
    case 'number':
      return describeNumber(schema.type, schema.minimum, schema.maximum);
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list of ${span(schema.minItems ?? 0, schema.maxItems ?? DEFAULT_MAX_ITEMS)} entries`;
    case 'object':
      return describeObject(schema);
    case 'any':
      return 'any JSON value';
  }
}

function describeText(schema: StringSchema): string {
  if (schema.enum !== undefined) {
    return schema.enum.length === 1 ? `${schema.enum[0]}` : `one of ${listNames(schema.enum)}`;
  }
  const { min, max } = lengthsOf(schema);
  if (schema.format !== undefined) return TEXT_FORMATS[schema.format].words;
  return `a text of ${span(min, max)} characters`;
}

function describeNumber(type: 'integer' | 'number', minimum?: number, maximum?: number): string {
  const what = type === 'integer' ? 'a whole number' : 'a number';
  if (minimum !== undefined && maximum !== undefined)
    return `${what} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${what} of at least ${minimum}`;
  return maximum === undefined ? what : `${what} of at most ${maximum}`;
}

function describeObject(schema: ObjectSchema): string {
  const names = Object.keys(schema.properties);
  if (names.length === 0) return schema.additional === undefined ? 'an empty object' : 'an object';
  return `an object with ${listNames(names)}${schema.additional === undefined ? '' : ' and others'}`;
}

function span(min: number, max: number): string {
  if (min === max) return `exactly ${max}`;
  return min === 0 ? `at most ${max}` : `${min} to ${max}`;
}

/** At most so many names, and how many more there are. */
export function listNames(names: readonly string[], most = 12): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
