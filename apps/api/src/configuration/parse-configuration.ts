import { resolve } from 'node:path';
import { type AgentSettings, DEFAULT_AGENT_SETTINGS, isName } from '@sluice/domain';
import { type Document, LineCounter, parseDocument } from 'yaml';
import {
  CONFIGURATION_SCHEMA,
  type Configuration,
  ConfigurationError,
  type ConfigurationProblem,
  type SourceConfiguration,
} from './configuration.ts';
import { locateProblem } from './locate-problem.ts';
import { readBudgets } from './read-budget.ts';
import { readEnvironments } from './read-environment.ts';
import { readHistoryRules } from './read-history-rules.ts';
import { type PipelineFile, readPipelines } from './read-pipelines.ts';
import { readPrincipals } from './read-principal.ts';
import { readRouter } from './read-router.ts';
import { readTarget } from './read-target.ts';
import { join, ValueReader } from './value-reader.ts';

const DNS_LABEL = 'write a DNS label: a-z, 0-9 and -, at most 63';
const MAX_ENTRIES = 1000;
const KEYS = [
  'schema',
  'tenant',
  'sources',
  'pipelines',
  'environments',
  'targets',
  'routers',
  'budgets',
  'principals',
  'enrolment',
  'agents',
  'histories',
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

/** A configuration as it was read, with all that is wrong with it; to be used only when nothing is. */
export interface ConfigurationDraft {
  readonly configuration: Configuration;
  /** In the order of the file's list; those that could not be read are left out. */
  readonly pipelineFiles: readonly PipelineFile[];
  readonly reader: ValueReader;
  /** Everything that the reader has noted, each with its place in the text. */
  listProblems(): readonly ConfigurationProblem[];
}

/**
 * Reads a configuration's YAML text strictly.
 * @throws ConfigurationError with every problem there is. What pipelines mean, and whether environments can run them, is judged by
 *   `judgePipelines`
 */
export function parseConfiguration(
  text: string,
  surroundings: ConfigurationSurroundings,
): Configuration {
  const { configuration, listProblems } = readConfiguration(text, surroundings);
  const problems = listProblems();
  if (problems.length > 0) throw new ConfigurationError(surroundings.file, problems);
  return configuration;
}

/**
 * As {@link parseConfiguration}, but hands over what is wrong, so that more can be added.
 * @throws ConfigurationError for a text that is no YAML
 */
export function readConfiguration(
  text: string,
  surroundings: ConfigurationSurroundings,
): ConfigurationDraft {
  const { file, folder, policies } = surroundings;
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    uniqueKeys: true,
    strict: true,
    prettyErrors: false,
    lineCounter,
  });
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos: [offset] }) => {
      const { line, col } = lineCounter.linePos(offset);
      const what = message.split('\n')[0] ?? 'is no YAML';
      return { path: '', what, how: 'mend the YAML', at: { line, column: col } };
    });
    throw new ConfigurationError(file, problems);
  }
  const reader = new ValueReader();
  const root = reader.mapping(valuesOf(document, file), '', KEYS);
  reader.word(root.schema, 'schema', [CONFIGURATION_SCHEMA]);
  const tenant = reader.text(root.tenant, 'tenant', isName, DNS_LABEL);
  const sources = reader
    .list(root.sources, 'sources', MAX_ENTRIES)
    .map((value, index) => readSource(reader, value, `sources[${index}]`, folder));
  const pipelineFiles = readPipelines(reader, root.pipelines, folder);
  const environments = readEnvironments(reader, root.environments, policies);
  const names = environments.map(({ name }) => name);
  const targets = reader
    .list(root.targets, 'targets', MAX_ENTRIES)
    .map((value, index) => readTarget(reader, value, `targets[${index}]`, names));
  const routers = reader
    .list(root.routers, 'routers', MAX_ENTRIES)
    .map((value, index) => readRouter(reader, value, `routers[${index}]`, names));
  const budgets = readBudgets(reader, root.budgets);
  const principals = readPrincipals(reader, root.principals);
  reader.unique(
    sources.map(({ name }) => name),
    (index) => `sources[${index}].name`,
  );
  // Their agents are told apart by name alone.
  reader.unique(
    [...targets, ...routers].map(({ name }) => name),
    (index) =>
      index < targets.length ? `targets[${index}].name` : `routers[${index - targets.length}].name`,
  );
  const enrolmentKeyFile = readEnrolment(reader, root.enrolment, folder);
  const agents = readAgents(reader, root.agents);
  const histories = readHistoryRules(reader, root.histories);
  const configuration = {
    tenant,
    sources,
    pipelines: pipelineFiles.flatMap(({ parsed }) => (parsed.ok ? [parsed.template] : [])),
    environments,
    targets,
    routers,
    budgets,
    principals,
    enrolmentKeyFile,
    agents,
    histories,
  };
  const listProblems = (): readonly ConfigurationProblem[] =>
    reader.problems.map((problem) => {
      const at = locateProblem(document, lineCounter, problem);
      return at === undefined ? problem : { ...problem, at };
    });
  return { configuration, pipelineFiles, reader, listProblems };
}

function valuesOf(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const what = `its aliases cannot be followed (${(error as Error).message})`;
    throw new ConfigurationError(file, [{ path: '', what, how: 'write out what they stand for' }]);
  }
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
