import {
  describeSchema,
  type JsonValue,
  MAX_PIPELINE_DEPTH,
  type PipelineTemplate,
  type ValueSchema,
} from '@sluice/domain';
import { CliError, EXIT_CODES } from './exit-codes.ts';

/**
 * Values for parameters from `name=value`: a text as it is where the parameter is a text or nobody declares it, JSON otherwise.
 * @throws CliError `option-invalid`
 */
export function readParameters(
  words: readonly string[],
  template: PipelineTemplate,
  pipelines: ReadonlyMap<string, PipelineTemplate>,
): Readonly<Record<string, JsonValue>> {
  const values = new Map<string, JsonValue>();
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 1) {
      const message = `--parameter is "${word}".`;
      throw new CliError(EXIT_CODES.usage, 'option-invalid', message, 'Write name=value.');
    }
    const name = word.slice(0, at);
    if (values.has(name)) {
      const message = `--parameter gives ${name} twice.`;
      throw new CliError(EXIT_CODES.usage, 'option-invalid', message, 'Give it once.');
    }
    values.set(name, valueOf(name, word.slice(at + 1), findSchema(name, template, pipelines)));
  }
  return Object.fromEntries(values);
}

function valueOf(name: string, text: string, schema: ValueSchema | undefined): JsonValue {
  if (schema === undefined || schema.type === 'string') return text;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    if (schema.type === 'any') return text;
    const message = `--parameter ${name} is "${text}", and ${describeSchema(schema)} is wanted.`;
    const example = EXAMPLES[schema.type];
    const next = `Write it as JSON, such as ${name}=${example}.`;
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message, next);
  }
}

const EXAMPLES = {
  boolean: 'true',
  integer: '3',
  number: '0.5',
  array: `'["a", "b"]'`,
  object: `'{"a": 1}'`,
} as const;

function findSchema(
  name: string,
  template: PipelineTemplate,
  pipelines: ReadonlyMap<string, PipelineTemplate>,
): ValueSchema | undefined {
  let each: PipelineTemplate | undefined = template;
  for (let depth = 0; each !== undefined && depth <= MAX_PIPELINE_DEPTH; depth += 1) {
    const { parameters = {}, extends: base }: PipelineTemplate = each;
    if (Object.hasOwn(parameters, name)) return parameters[name]?.schema;
    each = base === undefined ? undefined : pipelines.get(`${base.name}@${base.version}`);
  }
  return undefined;
}
