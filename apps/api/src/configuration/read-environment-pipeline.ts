import {
  APPROVED_PIPELINE,
  type Environment,
  FORBIDDEN_NAME,
  type JsonValue,
  MAX_VALUE_DEPTH,
  ROLLBACK_PIPELINE,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import { join, type Mapping, type ValueReader } from './value-reader.ts';

const PIPELINE = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:@([1-9][0-9]{0,8}))?$/;
const PIPELINE_FORM = `write ${STANDARD_PIPELINE.name}, ${APPROVED_PIPELINE.name}, the name of a pipeline, or <name>@<version>`;
const MAX_PARAMETERS_BYTES = 64 * 1024;

/** Which pipeline an environment names, and what it gives for its parameters. */
export function readEnvironmentPipeline(
  reader: ValueReader,
  entry: Mapping,
  path: string,
): Pick<Environment, 'pipeline' | 'pipelineVersion' | 'pipelineParameters'> {
  const { pipeline, pipelineVersion } = readPipeline(reader, entry.pipeline, path);
  const place = join(path, 'parameters');
  const pipelineParameters = readParameters(reader, entry.parameters, place);
  const count = Object.keys(pipelineParameters).length;
  if (isOurs(pipeline) && count > 0) {
    reader.refuse(place, `the pipeline ${pipeline} has none`, 'remove them');
  }
  return {
    pipeline,
    ...(pipelineVersion === null ? {} : { pipelineVersion }),
    ...(count === 0 ? {} : { pipelineParameters }),
  };
}

/** True for a pipeline that Sluice brings. */
function isOurs(name: string): boolean {
  return name === STANDARD_PIPELINE.name || name === APPROVED_PIPELINE.name;
}

/** A name, or `<name>@<version>`; whether there is one is judged when all files are read. */
function readPipeline(
  reader: ValueReader,
  value: unknown,
  path: string,
): { readonly pipeline: string; readonly pipelineVersion: number | null } {
  const place = join(path, 'pipeline');
  const accepts = (text: string): boolean =>
    PIPELINE.test(text) && PIPELINE.exec(text)?.[1] !== ROLLBACK_PIPELINE.name;
  const text = value === undefined ? STANDARD_PIPELINE.name : value;
  const [, name = STANDARD_PIPELINE.name, version] =
    PIPELINE.exec(reader.text(text, place, accepts, PIPELINE_FORM)) ?? [];
  if (version !== undefined && isOurs(name)) {
    reader.refuse(place, `${name} comes with Sluice`, `write ${name} without a version`);
    return { pipeline: name, pipelineVersion: null };
  }
  return { pipeline: name, pipelineVersion: version === undefined ? null : Number(version) };
}

function readParameters(
  reader: ValueReader,
  value: unknown,
  path: string,
): Readonly<Record<string, JsonValue>> {
  if (value === undefined) return {};
  const parameters = reader.anyMapping(value, path);
  const fault = findJsonFault(parameters);
  if (fault !== undefined) reader.refuse(path, fault, 'write texts, numbers, lists and mappings');
  else if (Buffer.byteLength(JSON.stringify(parameters)) > MAX_PARAMETERS_BYTES) {
    reader.refuse(path, 'are too large', `write at most ${MAX_PARAMETERS_BYTES} bytes of JSON`);
  } else return parameters as Readonly<Record<string, JsonValue>>;
  return {};
}

/** What YAML has and JSON has not. */
function findJsonFault(value: unknown, depth = 0): string | undefined {
  if (depth > MAX_VALUE_DEPTH) return `are nested more than ${MAX_VALUE_DEPTH} deep`;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `hold ${value}`;
  if (typeof value === 'string') {
    return /\u0000|\p{Surrogate}/u.test(value) ? 'hold a character that is none' : undefined;
  }
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value !== 'object') return `hold a ${typeof value}`;
  if (value instanceof Date || value instanceof Uint8Array) return 'hold a time or bytes';
  for (const [name, member] of Object.entries(value)) {
    if (name === FORBIDDEN_NAME) return `hold ${name}`;
    const fault = findJsonFault(member, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
