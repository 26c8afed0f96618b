import { PROBES_PROVIDER } from '@sluice/domain';
import type { ActivityDependencies } from '../dependencies.ts';
import { requireOutbound } from '../outbound/outbound-clients.ts';
import type { AnalysisProvider } from './analysis-provider.ts';
import { createHttpProvider } from './http-provider.ts';
import { createProbesProvider } from './probes-provider.ts';
import { createPrometheusProvider } from './prometheus-provider.ts';
import { accessOf, type ConfiguredProvider } from './provider-access.ts';
import { createSqlProvider } from './sql-provider.ts';

/** The providers of a worker's configuration; a tenant has its own. Secrets are named, never held. */
export interface ConfiguredProviders {
  /** Undefined where the tenant has none of that name. */
  find(tenantId: string, name: string): ConfiguredProvider | undefined;
  /** Names of a tenant's providers, sorted. */
  list(tenantId: string): readonly string[];
  /** True where a provider names a secret. */
  readonly needSecrets: boolean;
}

/**
 * Providers by tenant and name.
 * @param tenants tenant → name → provider
 */
export function createConfiguredProviders(
  tenants: Readonly<Record<string, Readonly<Record<string, ConfiguredProvider>>>>,
): ConfiguredProviders {
  const known = new Map(
    Object.entries(tenants).map(([tenant, named]) => [tenant, new Map(Object.entries(named))]),
  );
  const all = [...known.values()].flatMap((named) => [...named.values()]);
  return {
    find: (tenantId, name) => known.get(tenantId)?.get(name),
    list: (tenantId) => [...(known.get(tenantId)?.keys() ?? [])].sort(),
    needSecrets: all.some(({ url, bearer }) => typeof url !== 'string' || bearer !== undefined),
  };
}

/** What finding a provider needs. */
export type ProviderParts = Pick<
  ActivityDependencies,
  'pool' | 'outbound' | 'secrets' | 'analysisProviders'
>;

/** The provider of a name; undefined where this worker has none. `probes` is always there. */
export function findProvider(
  { pool, outbound, secrets, analysisProviders }: ProviderParts,
  tenantId: string,
  name: string,
): AnalysisProvider | undefined {
  if (name === PROBES_PROVIDER) return createProbesProvider(pool);
  const configured = analysisProviders?.find(tenantId, name);
  if (configured === undefined) return undefined;
  const access = accessOf(configured, secrets);
  if (configured.kind === 'sql') return createSqlProvider(access);
  const client = requireOutbound(outbound).configured;
  return configured.kind === 'prometheus'
    ? createPrometheusProvider(client, access)
    : createHttpProvider(client, access);
}
