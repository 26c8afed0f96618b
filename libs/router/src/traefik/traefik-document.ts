import type { RouteMatch, RouteServer, RouteTable } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { endpointOf, escapeValue, shortMark } from '../marks.ts';

type Json = Readonly<Record<string, unknown>>;

/** What the document needs to know beside the table. */
export interface TraefikDocumentSettings {
  /** Which requests are the backend's: ``Host(`shop.example.org`)``. */
  readonly rule: string;
  readonly entryPoints: readonly string[];
}

/**
 * The dynamic configuration that Traefik's HTTP provider reads: a weighted service over one service a pool, and, for
 * matches, a router of a longer rule, which Traefik therefore asks first.
 */
export function renderTraefik(table: RouteTable, settings: TraefikDocumentSettings): string {
  return canonicalJson(documentOf(table, settings));
}

/** What Traefik can be seen to do for a table, as one mark: its routers, services, servers and weights. */
export function traefikMark(table: RouteTable, settings: TraefikDocumentSettings): string {
  return markOfParts(documentOf(table, settings).http, table.backend);
}

/** The mark of what Traefik's `/api/rawdata` answers; null when it knows nothing of the backend. */
export function markOfRawData(rawData: unknown, backend: string): string | null {
  const { routers = {}, services = {} } = (rawData ?? {}) as {
    readonly routers?: Readonly<Record<string, Json>>;
    readonly services?: Readonly<Record<string, Json>>;
  };
  const parts = { routers: ofProvider(routers), services: ofProvider(services) };
  return backend in parts.services ? markOfParts(parts, backend) : null;
}

function documentOf(table: RouteTable, settings: TraefikDocumentSettings) {
  const { backend, pools, canaryPermille: share, match, sticky } = table;
  const { rule, entryPoints } = settings;
  const canary = `${backend}-canary`;
  const weighted = [
    { name: `${backend}-stable`, weight: 1000 - share },
    { name: canary, weight: share },
  ].filter(({ weight }) => weight > 0);
  const cookie = { name: sticky?.cookie, httpOnly: true, sameSite: 'lax' };
  const matches = match.map(conditionOf).join(' || ');
  return {
    http: {
      routers: {
        [backend]: { entryPoints, rule, service: backend },
        ...(match.length === 0
          ? {}
          : {
              [`${backend}-match`]: {
                entryPoints,
                rule: `(${rule}) && (${matches})`,
                service: canary,
              },
            }),
      },
      services: {
        [backend]: {
          weighted: { services: weighted, ...(sticky === undefined ? {} : { sticky: { cookie } }) },
        },
        ...poolService(`${backend}-stable`, pools.stable),
        ...poolService(canary, pools.canary),
      },
    },
  };
}

function poolService(name: string, servers: readonly RouteServer[]): Json {
  if (servers.length === 0) return {};
  const urls = servers.map((server) => ({ url: `http://${endpointOf(server)}` }));
  return { [name]: { loadBalancer: { servers: urls } } };
}

function conditionOf(match: RouteMatch): string {
  if ('header' in match) return `Header(\`${match.header.name}\`, \`${match.header.value}\`)`;
  const { name, value } = match.cookie;
  return `HeaderRegexp(\`Cookie\`, \`(?:^|;\\s*)${name}=${escapeValue(value)}(?:;|$)\`)`;
}

/** Only what both sides have: Traefik adds defaults, states and who uses what. */
function markOfParts(
  parts: {
    readonly routers: Readonly<Record<string, unknown>>;
    readonly services: Readonly<Record<string, unknown>>;
  },
  backend: string,
): string {
  const routers = [backend, `${backend}-match`].map((name) => {
    const { rule, service, status = 'enabled' } = (parts.routers[name] ?? {}) as Json;
    return [rule ?? null, plainName(service), status];
  });
  const services = [backend, `${backend}-stable`, `${backend}-canary`].map((name) => {
    const { weighted, loadBalancer } = (parts.services[name] ?? {}) as {
      weighted?: {
        services?: readonly { name: string; weight?: number }[];
        sticky?: { cookie?: { name?: string } };
      };
      loadBalancer?: { servers?: readonly { url: string }[] };
    };
    return [
      (weighted?.services ?? []).map((one) => [plainName(one.name), one.weight ?? 1]),
      weighted?.sticky?.cookie?.name ?? null,
      (loadBalancer?.servers ?? []).map(({ url }) => url),
    ];
  });
  return shortMark({ routers, services });
}

/** Entries of our provider, by their names without it. */
function ofProvider(entries: Readonly<Record<string, Json>>): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    Object.entries(entries)
      .filter(([name]) => name.endsWith('@http'))
      .map(([name, entry]) => [plainName(name), entry]),
  );
}

function plainName(name: unknown): string {
  return typeof name === 'string' ? name.replace(/@http$/, '') : '';
}
