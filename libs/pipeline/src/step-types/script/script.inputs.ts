import type { ObjectSchema, ValueSchema } from '@sluice/domain';
import { digestOf, SECRET_NAME } from '../value-schemas.ts';

const ARGUMENTS: ValueSchema = {
  type: 'array',
  description: 'What the script is called with.',
  items: { type: 'string', maxLength: 32_768 },
  maxItems: 256,
};

const SOURCE: ValueSchema = {
  type: 'string',
  description: 'Text of the script.',
  minLength: 1,
  maxLength: 262_144,
};

const LIMITS: ObjectSchema = {
  type: 'object',
  description: 'What it may use; where a limit cannot be kept the step is refused.',
  properties: {
    cpus: {
      type: 'number',
      description: 'Processors; 1 when absent, where cgroups can keep that.',
      minimum: 0.05,
      maximum: 64,
    },
    memoryMiB: {
      type: 'integer',
      description: 'Memory of all its processes, and of the files that it writes; 512 when absent.',
      minimum: 16,
      maximum: 65_536,
    },
    diskMiB: {
      type: 'integer',
      description:
        'Written files: they lie in memory, so at most `memoryMiB`; half of that when absent.',
      minimum: 1,
      maximum: 65_536,
    },
    processes: {
      type: 'integer',
      description: 'At a time; 64 when absent.',
      minimum: 1,
      maximum: 4096,
    },
    seconds: {
      type: 'integer',
      description: "Time; nine tenths of the step's timeout when absent.",
      minimum: 1,
      maximum: 86_340,
    },
    logBytes: {
      type: 'integer',
      description: 'Log that is kept, beginning and end, when there is more; 8000000 when absent.',
      minimum: 1024,
      maximum: 8_000_000,
    },
  },
};

/** Inputs of `script@1`. */
export const SCRIPT_INPUTS: ObjectSchema = {
  type: 'object',
  properties: {
    interpreter: {
      type: 'array',
      description:
        "What runs it, without a shell; the script's file is added; `/bin/sh -eu` when absent.",
      items: { type: 'string', minLength: 1, maxLength: 4096 },
      minItems: 1,
      maxItems: 32,
    },
    source: SOURCE,
    file: digestOf('The script in the evidence store, in place of `source`.'),
    arguments: ARGUMENTS,
    files: {
      type: 'object',
      description: 'Put into its folder before: path → digest in the evidence store.',
      properties: {},
      additional: digestOf('Of the file.'),
    },
    input: {
      type: 'any',
      description:
        'Put into its folder before, as JSON in `inputs.json`: for what is too large for arguments and environment.',
    },
    environment: {
      type: 'object',
      description:
        'Put into its environment: name → value; names with `SLUICE_` are not to be had.',
      properties: {},
      additional: { type: 'string', maxLength: 32_768 },
    },
    secrets: {
      type: 'object',
      description:
        'Secrets in its environment, and as files in `$SLUICE_SECRETS`: name → name of the secret.',
      properties: {},
      additional: SECRET_NAME,
    },
    network: {
      type: 'string',
      description:
        "`none`, or `all` that the worker's host reaches, where the worker grants it; `none` when absent.",
      enum: ['none', 'all'],
    },
    limits: LIMITS,
    outputs: {
      type: 'object',
      description: 'What it gives: name → schema; all must be there when it ends.',
      properties: {},
      additional: { type: 'any', description: 'A schema.' },
    },
    artifacts: {
      type: 'object',
      description: 'Files that are kept when it succeeds: name → path in its folder.',
      properties: {},
      additional: { type: 'string', format: 'relative-path' },
    },
    undo: {
      type: 'object',
      description: 'What undoes it, under the same interpreter, limits and grants.',
      properties: {
        source: { ...SOURCE, description: "Text of a script; the step's own when absent." },
        arguments: { ...ARGUMENTS, description: 'What it is called with.' },
      },
    },
  },
};
