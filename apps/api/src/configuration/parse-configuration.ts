import { resolve } from 'node:path';
import {
  type AgentSettings,
  DEFAULT_AGENT_SETTINGS,
  DEFAULT_DEADLINES,
  type Deadlines,
  type Environment,
  isDigest,
  isName,
  ROLES,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import { parseDocument } from 'yaml';
import {
  CONFIGURATION_SCHEMA,
  type Configuration,
  ConfigurationError,
  type PrincipalConfiguration,
  type SourceConfiguration,
} from './configuration.ts';
import { readTarget } from './read-target.ts';
import { join, ValueReader } from './value-reader.ts';

const DNS_LABEL = 'write a DNS label: a-z, 0-9 and -, at most 63';
const MAX_ENTRIES = 1000;
const WEEK_SECONDS = 7 * 24 * 3600;
const KEYS = [
  'schema',
  'tenant',
  'sources',
  'environments',
  'targets',
  'principals',
  'enrolment',
  'agents',
];

/** What a configuration may refer to beside itself, and where it stands. */
export interface ConfigurationSurroundings {
  /** Shown in messages. */
  readonly file: string;
  /** Absolute; relative paths in the file begin here. */
  readonly folder: string;
  /** Names of the policy bundles there are. */
  readonly policies: readonly string[];
}

/**
 * Reads a configuration's YAML text strictly.
 * @throws ConfigurationError with every problem there is
 */
export function parseConfiguration(
  text: string,
  surroundings: ConfigurationSurroundings,
): Configuration {
  const { file, folder, policies } = surroundings;
  const document = parseDocument(text, { uniqueKeys: true, strict: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      path: '',
      what: error.message.split('\n')[0] ?? 'is no YAML',
      how: 'mend the YAML',
    }));
    throw new ConfigurationError(file, problems);
  }
  const reader = new ValueReader();
  const root = reader.mapping(document.toJS({ maxAliasCount: 100 }), '', KEYS);
  reader.word(root.schema, 'schema', [CONFIGURATION_SCHEMA]);
  const tenant = reader.text(root.tenant, 'tenant', isName, DNS_LABEL);
  const sources = reader
    .list(root.sources, 'sources', MAX_ENTRIES)
    .map((value, index) => readSource(reader, value, `sources[${index}]`, folder));
  const environments = reader
    .list(root.environments, 'environments', MAX_ENTRIES)
    .map((value, index) => readEnvironment(reader, value, `environments[${index}]`, policies));
  const names = environments.map(({ name }) => name);
  const targets = reader
    .list(root.targets, 'targets', MAX_ENTRIES)
    .map((value, index) => readTarget(reader, value, `targets[${index}]`, names));
  const principals = reader
    .list(root.principals, 'principals', MAX_ENTRIES)
    .map((value, index) => readPrincipal(reader, value, `principals[${index}]`));
  const unique = (list: string, key: string, values: readonly (string | number)[]): void =>
    reader.unique(values, (index) => `${list}[${index}].${key}`);
  unique(
    'sources',
    'name',
    sources.map(({ name }) => name),
  );
  unique('environments', 'name', names);
  unique(
    'environments',
    'position',
    environments.map(({ position }) => position),
  );
  unique(
    'targets',
    'name',
    targets.map(({ name }) => name),
  );
  unique(
    'principals',
    'name',
    principals.map(({ name }) => name),
  );
  unique(
    'principals',
    'tokenHash',
    principals.map(({ tokenHash }) => tokenHash),
  );
  const enrolmentKeyFile = readEnrolment(reader, root.enrolment, folder);
  const agents = readAgents(reader, root.agents);
  if (reader.problems.length > 0) throw new ConfigurationError(file, reader.problems);
  return { tenant, sources, environments, targets, principals, enrolmentKeyFile, agents };
}

function readSource(
  reader: ValueReader,
  value: unknown,
  path: string,
  folder: string,
): SourceConfiguration {
  const entry = reader.mapping(value, path, ['name', 'kind', 'path']);
  const location = reader.text(entry.path, join(path, 'path'), isPath, 'write a folder');
  return {
    name: reader.text(entry.name, join(path, 'name'), isName, DNS_LABEL),
    kind: reader.word(entry.kind, join(path, 'kind'), ['oci-layout']),
    location: resolve(folder, location),
  };
}

function readEnvironment(
  reader: ValueReader,
  value: unknown,
  path: string,
  policies: readonly string[],
): Environment {
  const entry = reader.mapping(value, path, [
    'name',
    'position',
    'pipeline',
    'policy',
    'deadlines',
  ]);
  const known = (name: string): boolean => policies.includes(name);
  const how = `write the name of a policy bundle: ${policies.join(', ')}`;
  return {
    name: reader.text(entry.name, join(path, 'name'), isName, DNS_LABEL),
    position: reader.integer(entry.position, join(path, 'position'), 0, 1_000_000),
    pipeline: reader.word(entry.pipeline, join(path, 'pipeline'), [STANDARD_PIPELINE.name]),
    policy: reader.text(entry.policy, join(path, 'policy'), known, how),
    deadlines: readDeadlines(reader, entry.deadlines ?? {}, join(path, 'deadlines')),
  };
}

function readDeadlines(reader: ValueReader, value: unknown, path: string): Deadlines {
  const names = Object.keys(DEFAULT_DEADLINES) as (keyof Deadlines)[];
  const entry = reader.mapping(value, path, names);
  const read = (name: keyof Deadlines): number =>
    reader.integer(entry[name], join(path, name), 1, WEEK_SECONDS, DEFAULT_DEADLINES[name]);
  return {
    promotionSeconds: read('promotionSeconds'),
    queueSeconds: read('queueSeconds'),
    scanSeconds: read('scanSeconds'),
    gateSeconds: read('gateSeconds'),
    deploySeconds: read('deploySeconds'),
    verifySeconds: read('verifySeconds'),
    revertSeconds: read('revertSeconds'),
  };
}

function readPrincipal(reader: ValueReader, value: unknown, path: string): PrincipalConfiguration {
  const entry = reader.mapping(value, path, ['name', 'role', 'tokenHash']);
  return {
    name: reader.text(
      entry.name,
      join(path, 'name'),
      (text) => /^[A-Za-z0-9][A-Za-z0-9@._-]{0,127}$/.test(text),
      'write letters, digits, @ . _ -, at most 128',
    ),
    role: reader.word(entry.role, join(path, 'role'), ROLES),
    tokenHash: reader.text(
      entry.tokenHash,
      join(path, 'tokenHash'),
      isDigest,
      "write sha256: and the token's SHA-256 in 64 hex digits",
    ),
  };
}

function readEnrolment(reader: ValueReader, value: unknown, folder: string): string | null {
  if (value === undefined) return null;
  const entry = reader.mapping(value, 'enrolment', ['keyFile']);
  const file = reader.text(entry.keyFile, 'enrolment.keyFile', isPath, 'write a file');
  return resolve(folder, file);
}

function readAgents(reader: ValueReader, value: unknown): AgentSettings {
  if (value === undefined) return DEFAULT_AGENT_SETTINGS;
  const names = Object.keys(DEFAULT_AGENT_SETTINGS) as (keyof AgentSettings)[];
  const entry = reader.mapping(value, 'agents', names);
  const read = (name: keyof AgentSettings): number =>
    reader.integer(entry[name], `agents.${name}`, 1, 24 * 3600, DEFAULT_AGENT_SETTINGS[name]);
  const settings = {
    heartbeatSeconds: read('heartbeatSeconds'),
    staleSeconds: read('staleSeconds'),
    offlineSeconds: read('offlineSeconds'),
  };
  const { heartbeatSeconds, staleSeconds, offlineSeconds } = settings;
  if (!(heartbeatSeconds < staleSeconds && staleSeconds < offlineSeconds)) {
    reader.refuse(
      'agents',
      `heartbeat ${heartbeatSeconds}, stale ${staleSeconds}, offline ${offlineSeconds}`,
      'write heartbeatSeconds < staleSeconds < offlineSeconds',
    );
  }
  return settings;
}

function isPath(text: string): boolean {
  return text.length > 0 && text.length <= 4096 && !text.includes('\0');
}
