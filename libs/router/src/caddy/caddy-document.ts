import type { RouteMatch, RouteServer, RouteTable } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { endpointOf, escapeValue, shortMark } from '../marks.ts';

type Json = Readonly<Record<string, unknown>>;

/** A visitor's id in a cookie: what Caddy's `{http.request.uuid}` is. */
const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
const MARK_START = 'sluice-table-';

/**
 * The handler that replaces the one with Sluice's id: a `subroute` of the canary's route, which has the matches and the
 * share as its matcher, and the stable one's. The share is drawn from the request's UUID, or a visitor's.
 */
export function renderCaddy(table: RouteTable, id: string): string {
  const { pools, canaryPermille: share, match, sticky } = table;
  const uuid = '{http.request.uuid}';
  const routes: Json[] = [];
  const known =
    sticky === undefined
      ? undefined
      : { vars_regexp: { [`{http.request.cookie.${sticky.cookie}}`]: { pattern: UUID } } };
  if (known !== undefined && sticky !== undefined) {
    const cookie = `${sticky.cookie}=${uuid}; Path=/; HttpOnly; SameSite=Lax`;
    routes.push({
      match: [{ not: [known] }],
      handle: [
        { handler: 'headers', response: { deferred: true, add: { 'Set-Cookie': [cookie] } } },
      ],
    });
  }
  if (share > 0 || match.length > 0) {
    const sets: Json[] = match.map(matcherOf);
    if (share > 0 && share < 1000) {
      const below = (drawn: string) => ({ expression: `${drawn} < "${boundOf(share)}"` });
      if (known === undefined || sticky === undefined) sets.push(below(uuid));
      else {
        sets.push(
          { ...known, ...below(`{http.request.cookie.${sticky.cookie}}`) },
          { not: [known], ...below(uuid) },
        );
      }
    }
    routes.push({
      ...(share === 1000 ? {} : { match: sets }),
      handle: [proxyTo(pools.canary)],
      terminal: true,
    });
  }
  if (share < 1000) routes.push({ handle: [proxyTo(pools.stable)], terminal: true });
  const [first, ...others] = routes;
  return canonicalJson({
    '@id': id,
    handler: 'subroute',
    routes: [{ '@id': `${MARK_START}${shortMark(table)}`, ...first }, ...others],
  });
}

/** The mark of the table that a handler is of; null when it is not of ours. */
export function findCaddyMark(handler: unknown): string | null {
  const routes = (handler as { routes?: unknown } | null)?.routes;
  const id: unknown = Array.isArray(routes) ? (routes[0] as Json | undefined)?.['@id'] : undefined;
  return typeof id === 'string' && id.startsWith(MARK_START) ? id.slice(MARK_START.length) : null;
}

/** The share of a table as the UUIDs draw it: below a bound of eight digits. */
export function caddyPermille(share: number): number {
  return share === 1000 ? 1000 : (Number.parseInt(boundOf(share), 16) / 0x1_0000_0000) * 1000;
}

/** All UUIDs whose text is below it are the share; wrong by less than one in four thousand million. */
function boundOf(share: number): string {
  return Math.round((share / 1000) * 0x1_0000_0000)
    .toString(16)
    .padStart(8, '0');
}

function matcherOf(match: RouteMatch): Json {
  if ('header' in match) return { header: { [match.header.name]: [match.header.value] } };
  const { name, value } = match.cookie;
  return {
    vars_regexp: { [`{http.request.cookie.${name}}`]: { pattern: `^${escapeValue(value)}$` } },
  };
}

function proxyTo(servers: readonly RouteServer[]): Json {
  return {
    handler: 'reverse_proxy',
    upstreams: servers.map((server) => ({ dial: endpointOf(server) })),
    load_balancing: {
      selection_policy: { policy: 'round_robin' },
      ...(servers.length === 1 ? {} : { retries: 2 }),
    },
  };
}
