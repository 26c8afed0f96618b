import {
  type HealthProbe,
  isName,
  type SettingValue,
  TARGET_KINDS,
  type Target,
} from '@sluice/domain';
import { join, type ValueReader } from './value-reader.ts';

const MAX_PAIRS = 200;

/** Reads one target of a configuration. */
export function readTarget(
  reader: ValueReader,
  value: unknown,
  path: string,
  environments: readonly string[],
): Target {
  const entry = reader.mapping(value, path, [
    'name',
    'environment',
    'kind',
    'address',
    'labels',
    'settings',
    'health',
  ]);
  const known = (name: string): boolean => environments.includes(name);
  return {
    name: reader.text(
      entry.name,
      join(path, 'name'),
      isName,
      'write a DNS label: a-z, 0-9 and -, at most 63',
    ),
    environment: reader.text(
      entry.environment,
      join(path, 'environment'),
      known,
      'write the name of an environment that this file declares',
    ),
    kind: reader.word(entry.kind, join(path, 'kind'), TARGET_KINDS),
    address: reader.text(
      entry.address,
      join(path, 'address'),
      (text) => /^[A-Za-z0-9.:-]{1,253}$/.test(text),
      'write a host name or an IP address, without a port',
    ),
    labels: readLabels(reader, entry.labels ?? {}, join(path, 'labels')),
    settings: readSettings(reader, entry.settings ?? {}, join(path, 'settings')),
    health: readHealth(reader, entry.health, join(path, 'health')),
  };
}

/** Reads labels: texts by short names. */
export function readLabels(
  reader: ValueReader,
  value: unknown,
  path: string,
): Readonly<Record<string, string>> {
  const entries = readPairs(reader, value, path, (key) =>
    /^[a-z0-9][a-z0-9./_-]{0,127}$/.test(key),
  );
  return Object.fromEntries(
    entries.map(([key, label]) => [
      key,
      reader.text(label, join(path, key), (text) => text.length <= 256, 'write a short text'),
    ]),
  );
}

function readSettings(
  reader: ValueReader,
  value: unknown,
  path: string,
): Readonly<Record<string, SettingValue>> {
  // They become environment variables of the service.
  const entries = readPairs(reader, value, path, (key) =>
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(key),
  );
  return Object.fromEntries(
    entries.map(([key, setting]) => [key, readSetting(reader, setting, join(path, key))]),
  );
}

function readSetting(reader: ValueReader, value: unknown, path: string): SettingValue {
  if (typeof value === 'string' || typeof value !== 'object' || value === null) {
    return reader.text(
      value,
      path,
      (text) => text.length <= 8192 && !text.includes('\0'),
      'write a text (numbers in quotation marks) or {secret: name}',
    );
  }
  const entry = reader.mapping(value, path, ['secret']);
  return {
    secret: reader.text(
      entry.secret,
      join(path, 'secret'),
      (text) => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(text),
      "write the name of a file in the agent's secrets folder",
    ),
  };
}

function readPairs(
  reader: ValueReader,
  value: unknown,
  path: string,
  isKey: (key: string) => boolean,
): readonly (readonly [string, unknown])[] {
  const entries = Object.entries(reader.anyMapping(value, path));
  if (entries.length > MAX_PAIRS) {
    reader.refuse(path, `has ${entries.length} entries`, `write at most ${MAX_PAIRS}`);
    return [];
  }
  for (const [key] of entries) {
    if (!isKey(key)) reader.refuse(join(path, key), 'has no valid name', 'name it otherwise');
  }
  return entries;
}

function readHealth(reader: ValueReader, value: unknown, path: string): HealthProbe {
  const entry = reader.mapping(value, path, [
    'path',
    'port',
    'intervalMs',
    'timeoutMs',
    'successes',
    'failures',
  ]);
  const integer = (name: keyof HealthProbe, min: number, max: number, fallback?: number): number =>
    reader.integer(entry[name], join(path, name), min, max, fallback);
  return {
    path: reader.text(
      entry.path,
      join(path, 'path'),
      (text) => /^\/[\x21-\x7e]{0,500}$/.test(text),
      'write an absolute path such as /healthz',
    ),
    port: integer('port', 1, 65_535),
    intervalMs: integer('intervalMs', 50, 60_000, 500),
    timeoutMs: integer('timeoutMs', 50, 60_000, 2000),
    successes: integer('successes', 1, 100, 2),
    failures: integer('failures', 1, 1000, 20),
  };
}
