import { isName, ROUTER_KINDS, type Target } from '@sluice/domain';
import { readLabels } from './read-target.ts';
import { join, type ValueReader } from './value-reader.ts';

const DNS_LABEL = 'write a DNS label: a-z, 0-9 and -, at most 63';

/** A router's own health is asked by nobody: its agent reads what the proxy does. */
const NO_HEALTH: Target['health'] = {
  path: '/',
  port: 0,
  intervalMs: 0,
  timeoutMs: 0,
  successes: 0,
  failures: 0,
};

/** Reads one router of a configuration: a target that no release is put on, without an address and a health probe of its own. */
export function readRouter(
  reader: ValueReader,
  value: unknown,
  path: string,
  environments: readonly string[],
): Target {
  const entry = reader.mapping(value, path, ['name', 'environment', 'kind', 'backend', 'labels']);
  const known = (name: string): boolean => environments.includes(name);
  const how = 'write the name of an environment that this file declares';
  return {
    name: reader.text(entry.name, join(path, 'name'), isName, DNS_LABEL),
    environment: reader.text(entry.environment, join(path, 'environment'), known, how),
    kind: reader.word(entry.kind, join(path, 'kind'), ROUTER_KINDS),
    address: '',
    labels: readLabels(reader, entry.labels ?? {}, join(path, 'labels')),
    settings: { backend: reader.text(entry.backend, join(path, 'backend'), isName, DNS_LABEL) },
    health: NO_HEALTH,
  };
}
