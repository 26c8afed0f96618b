import {
  DEFAULT_MAX_ITEMS,
  DEFAULT_MAX_LENGTH,
  type ObjectSchema,
  type ValueSchema,
} from './value-schema.ts';
import { FORBIDDEN_NAME } from './values.ts';
import { TEXT_FORMATS } from './values-text.ts';

/** A schema of JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The same in JSON Schema, with every limit written out. It never refuses what `findValueFaults` takes. It takes a little more: JSON Schema counts
 * code points where texts are measured in UTF-16 units here, knows no calendar, bears lone surrogates, and has no limit of depth.
 */
export function toJsonSchema(schema: ValueSchema): JsonSchema {
  const words = schema.description === undefined ? {} : { description: schema.description };
  switch (schema.type) {
    case 'string': {
      const { minLength = 0, maxLength = DEFAULT_MAX_LENGTH } = schema;
      return {
        type: 'string',
        ...words,
        // A code point is one or two units: half as many code points always suffice.
        ...(minLength === 0 ? {} : { minLength: Math.ceil(minLength / 2) }),
        maxLength,
        ...(schema.enum === undefined ? {} : { enum: [...schema.enum] }),
        ...(schema.format === undefined ? {} : { pattern: TEXT_FORMATS[schema.format].pattern }),
      };
    }
    case 'integer':
      return {
        type: 'integer',
        ...words,
        minimum: Math.max(schema.minimum ?? -Infinity, Number.MIN_SAFE_INTEGER),
        maximum: Math.min(schema.maximum ?? Infinity, Number.MAX_SAFE_INTEGER),
      };
    case 'number':
      return {
        type: 'number',
        ...words,
        ...(schema.minimum === undefined ? {} : { minimum: schema.minimum }),
        ...(schema.maximum === undefined ? {} : { maximum: schema.maximum }),
      };
    case 'boolean':
      return { type: 'boolean', ...words };
    case 'array':
      return {
        type: 'array',
        ...words,
        items: toJsonSchema(schema.items),
        ...(schema.minItems === undefined ? {} : { minItems: schema.minItems }),
        maxItems: schema.maxItems ?? DEFAULT_MAX_ITEMS,
      };
    case 'object':
      return { type: 'object', ...words, ...membersOf(schema) };
    case 'any':
      return words;
  }
}

function membersOf(schema: ObjectSchema): JsonSchema {
  const { required = [] } = schema;
  return {
    properties: Object.fromEntries(
      Object.entries(schema.properties).map(([name, member]) => [name, toJsonSchema(member)]),
    ),
    ...(required.length === 0 ? {} : { required: [...required] }),
    ...(schema.additional === undefined
      ? { additionalProperties: false }
      : {
          additionalProperties: toJsonSchema(schema.additional),
          propertyNames: { not: { const: FORBIDDEN_NAME } },
          maxProperties: DEFAULT_MAX_ITEMS,
        }),
  };
}
