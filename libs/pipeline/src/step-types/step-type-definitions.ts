import {
  type JsonSchema,
  type StepType,
  type StepTypes,
  toJsonSchema,
  type ValueSchema,
} from '@sluice/domain';

/**
 * What the published JSON Schema of pipelines says of the registered step types, so that editors complete types and inputs, and check them:
 * `knownType` the types themselves, `typedInputs` what the inputs of each may be, `typedStep` what a step of it must give. They never refuse
 * what `validatePipeline` takes.
 */
export function stepTypeDefinitions(types: StepTypes): {
  readonly knownType: JsonSchema;
  readonly typedInputs: JsonSchema;
  readonly typedStep: JsonSchema;
} {
  const entries = [...types];
  return {
    knownType: {
      anyOf: entries.map(([name, { title }]) => ({ const: name, description: title })),
    },
    typedInputs: {
      type: 'object',
      allOf: entries.map(([name, type]) => ({
        if: hasType(name),
        then: { properties: { inputs: inputsOf(type) } },
      })),
    },
    typedStep: {
      type: 'object',
      allOf: entries.flatMap(([name, { inputs }]) => {
        const { required = [] } = inputs;
        if (required.length === 0) return [];
        const given = Object.fromEntries(required.map((each) => [each, true]));
        const owed = { type: 'object', properties: given, required: [...required] };
        return [
          { if: hasType(name), then: { properties: { inputs: owed }, required: ['inputs'] } },
        ];
      }),
    },
  };
}

function hasType(name: string): JsonSchema {
  return { type: 'object', properties: { type: { const: name } }, required: ['type'] };
}

function inputsOf(type: StepType): JsonSchema {
  const { properties, additional } = type.inputs;
  return {
    type: 'object',
    additionalProperties: additional === undefined ? false : inputOf(type, '', additional),
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, schema]) => [name, inputOf(type, name, schema)]),
    ),
  };
}

/** A value of the schema, or whatever the input takes in its place. */
function inputOf(type: StepType, name: string, schema: ValueSchema): JsonSchema {
  const { description, ...value } = toJsonSchema(schema);
  const wiring = type.literalInputs?.includes(name)
    ? 'literalInput'
    : type.secretInputs?.includes(name)
      ? 'wiredInput'
      : 'wiredValue';
  return {
    ...(description === undefined ? {} : { description }),
    anyOf: [value, { $ref: `#/$defs/${wiring}` }],
  };
}
