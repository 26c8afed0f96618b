import { isName, PROBES_PROVIDER } from '@sluice/domain';
import { isMembers, SettingsFile } from '../settings-file/settings-file.ts';
import { type ConfiguredProviders, createConfiguredProviders } from './analysis-providers.ts';
import type { ConfiguredProvider } from './provider-access.ts';

/** Says which form a file of providers has. */
export const PROVIDERS_SCHEMA = 'sluice.analysis-providers/v1';

const KINDS = ['prometheus', 'sql', 'http'] as const;

const DEFAULT_TIMEOUT_SECONDS = 10;
const MAX_TIMEOUT_SECONDS = 60;

/**
 * Reads the analysis' providers of a YAML or JSON file, strictly.
 * @throws SettingsFileError with every problem there is
 */
export async function readProviderFile(path: string): Promise<ConfiguredProviders> {
  const file = new SettingsFile(path);
  const tenants: Record<string, Record<string, ConfiguredProvider>> = {};
  for (const [tenant, at, providers] of await file.readTenants(PROVIDERS_SCHEMA, 'providers')) {
    const read = new Map<string, ConfiguredProvider>();
    for (const [name, value] of providers) {
      const provider = readProvider(name, value, `${at}.${name}`, file);
      if (provider !== undefined) read.set(name, provider);
    }
    tenants[tenant] = Object.fromEntries(read);
  }
  file.assertValid();
  return createConfiguredProviders(tenants);
}

function readProvider(
  name: string,
  value: unknown,
  at: string,
  file: SettingsFile,
): ConfiguredProvider | undefined {
  if (!isName(name)) file.tell(at, 'is no name of a provider: write a-z, 0-9 and -, at most 63');
  if (name === PROBES_PROVIDER) {
    file.tell(at, 'is the name of the agents’ own samples: take another');
  }
  if (!isMembers(value)) {
    file.tell(at, 'is no object: write {kind: prometheus, url: http://…}');
    return undefined;
  }
  const kind = KINDS.find((one) => one === value['kind']);
  if (kind === undefined) {
    file.tell(`${at}.kind`, `is none of ${KINDS.join(', ')}`);
    return undefined;
  }
  file.refuseOthers(
    value,
    kind === 'sql'
      ? ['kind', 'url', 'timeoutSeconds']
      : ['kind', 'url', 'bearer', 'timeoutSeconds'],
    at,
  );
  const url = readAddress(kind, value['url'], `${at}.url`, file);
  const bearer = file.readSecretName(value['bearer'], `${at}.bearer`);
  const timeoutSeconds = readTimeout(value['timeoutSeconds'], `${at}.timeoutSeconds`, file);
  if (url === undefined || timeoutSeconds === undefined) return undefined;
  return { kind, url, timeoutSeconds, ...(bearer === undefined ? {} : { bearer }) };
}

/** A connection string holds a password nearly always: it is a secret. */
function readAddress(
  kind: ConfiguredProvider['kind'],
  value: unknown,
  at: string,
  file: SettingsFile,
): ConfiguredProvider['url'] | undefined {
  if (kind !== 'sql' || isMembers(value)) return file.readUrl(value, at);
  file.tell(at, 'is no secret: write {secret: name} of one that holds postgres://user:password@…');
  return undefined;
}

function readTimeout(value: unknown, at: string, file: SettingsFile): number | undefined {
  if (value === undefined) return DEFAULT_TIMEOUT_SECONDS;
  if (typeof value === 'number' && value >= 1 && value <= MAX_TIMEOUT_SECONDS) return value;
  file.tell(at, `is no number from 1 to ${MAX_TIMEOUT_SECONDS}`);
  return undefined;
}
