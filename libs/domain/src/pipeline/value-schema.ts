/**
 * What a value of a pipeline may be: a subset of JSON Schema (draft 2020-12), so that one text serves editors, the API and the check of
 * wiring. Values are JSON; a schema without `maxLength` or `maxItems` takes up to {@link DEFAULT_MAX_LENGTH} and {@link DEFAULT_MAX_ITEMS}.
 */
export type ValueSchema =
  | StringSchema
  | NumberSchema
  | { readonly type: 'boolean'; readonly description?: string }
  | ArraySchema
  | ObjectSchema
  /** Any JSON value; what is made of it is checked when it is there. */
  | { readonly type: 'any'; readonly description?: string };

/** A text. */
export interface StringSchema {
  readonly type: 'string';
  readonly description?: string;
  /** UTF-16 units. */
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly enum?: readonly string[];
  readonly format?: StringFormat;
}

/** Forms of texts that mean something here. */
export const STRING_FORMATS = [
  /** `sha256:` and 64 hex digits. */
  'digest',
  /** A DNS label: a component, an environment, a target. */
  'name',
  /** `http:` or `https:`. */
  'url',
  /** Path within a folder: relative, without `..`. */
  'relative-path',
  /** An instant in UTC by RFC 3339: `2026-11-21T10:00:00Z`. */
  'time',
] as const;

/** One of {@link STRING_FORMATS}. */
export type StringFormat = (typeof STRING_FORMATS)[number];

/** A number; `integer` within ±(2^53 - 1). */
export interface NumberSchema {
  readonly type: 'integer' | 'number';
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A list of values of one kind. */
export interface ArraySchema {
  readonly type: 'array';
  readonly description?: string;
  readonly items: ValueSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** Named members; others than the named ones only where `additional` says what they are. */
export interface ObjectSchema {
  readonly type: 'object';
  readonly description?: string;
  readonly properties: Readonly<Record<string, ValueSchema>>;
  readonly required?: readonly string[];
  readonly additional?: ValueSchema;
}

/** Length of a text whose schema names none. UTF-16 units. */
export const DEFAULT_MAX_LENGTH = 4096;

/** Members of a list or of an object whose schema names no limit. */
export const DEFAULT_MAX_ITEMS = 1000;
