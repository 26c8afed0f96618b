import { COMPONENT_KINDS, type ObjectSchema, type ValueSchema } from '@sluice/domain';

/** Inputs of a step type that takes none, and outputs of one that gives none. */
export const NONE: ObjectSchema = { type: 'object', properties: {} };

/** A digest, and of what. */
export function digestOf(description: string): ValueSchema {
  return { type: 'string', format: 'digest', description };
}

/** Digests by name, all of them always there. */
export function digests(descriptions: Readonly<Record<string, string>>): ObjectSchema {
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(descriptions).map(([name, description]) => [name, digestOf(description)]),
    ),
    required: Object.keys(descriptions),
  };
}

/** A version as people write it. */
export const VERSION: ValueSchema = {
  type: 'string',
  description: 'As people write it: `1.2.0`, `2026.11.21-rc.1`.',
  minLength: 1,
  maxLength: 128,
};

/** A component of a release: what one step makes and another puts into a release. */
export const COMPONENT: ObjectSchema = {
  type: 'object',
  description: 'A component of a release.',
  properties: {
    name: { type: 'string', format: 'name', description: 'Unique in its release.' },
    kind: { type: 'string', enum: [...COMPONENT_KINDS], description: 'What it is.' },
    digest: digestOf('Of its content.'),
    version: VERSION,
  },
  required: ['name', 'kind', 'digest', 'version'],
};

/** Name of a secret in the worker's secrets; its value is seen by the step's own process alone. */
export const SECRET_NAME: ValueSchema = {
  type: 'string',
  description: 'Name of a secret.',
  minLength: 1,
  maxLength: 128,
};
