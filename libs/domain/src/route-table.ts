import { isName } from './name.ts';

/** The schema tag that every route table carries. */
export const ROUTE_TABLE_SCHEMA = 'sluice.route-table/v1';

/** Proxies that can be told where requests go. */
export const ROUTER_KINDS = ['haproxy', 'nginx', 'caddy', 'traefik'] as const;

/** One of {@link ROUTER_KINDS}. */
export type RouterKind = (typeof ROUTER_KINDS)[number];

/** Servers of one table, both pools together. */
export const MAX_ROUTE_SERVERS = 1000;

/** Rules of one table that name requests. */
export const MAX_ROUTE_MATCHES = 10;

/** One server that requests go to. */
export interface RouteServer {
  /** The target's name. */
  readonly name: string;
  /** IPv4, IPv6 without brackets, or a host name; lower case. */
  readonly address: string;
  readonly port: number;
}

/** What a header or a cookie must equal. */
export interface RouteMatchField {
  readonly name: string;
  readonly value: string;
}

/** Requests that go to the canary pool whatever the share: by one header or one cookie. */
export type RouteMatch =
  | { readonly header: RouteMatchField }
  | { readonly cookie: RouteMatchField };

/**
 * Where requests go. One meaning has one form, so that its digest (of the RFC 8785 form) names it: servers sorted by
 * name, header names in lower case. Make one with {@link composeRouteTable}.
 */
export interface RouteTable {
  readonly schema: typeof ROUTE_TABLE_SCHEMA;
  /** Name of the proxy's backend (upstream, service). */
  readonly backend: string;
  /** A server stands in one pool. */
  readonly pools: {
    readonly stable: readonly RouteServer[];
    readonly canary: readonly RouteServer[];
  };
  /** 0 to 1000: share of the requests that go to the canary pool, of those that no match names. */
  readonly canaryPermille: number;
  readonly match: readonly RouteMatch[];
  /**
   * A cookie that holds a visitor's draw: as long as the share stays, so does the visitor; a greater share moves visitors
   * to the canary pool only, a smaller one only away.
   */
  readonly sticky?: { readonly cookie: string };
}

const HOST =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const HEADER = /^[a-z][a-z0-9-]{0,63}$/;
const COOKIE = /^[A-Za-z0-9_]{1,64}$/;
/** Nothing that a configuration language, a regular expression or an expression would read as more than itself. */
const VALUE = /^[A-Za-z0-9._-]{1,128}$/;

/** Puts a table together in its one form; {@link findRouteTableProblem} says what is wrong with the parts. */
export function composeRouteTable(parts: Omit<RouteTable, 'schema'>): RouteTable {
  const { backend, pools, canaryPermille, match, sticky } = parts;
  return {
    schema: ROUTE_TABLE_SCHEMA,
    backend,
    pools: { stable: sorted(pools.stable), canary: sorted(pools.canary) },
    canaryPermille,
    match: match.map((one) =>
      'header' in one
        ? { header: { name: one.header.name.toLowerCase(), value: one.header.value } }
        : { cookie: { name: one.cookie.name, value: one.cookie.value } },
    ),
    ...(sticky === undefined ? {} : { sticky: { cookie: sticky.cookie } }),
  };
}

/**
 * What keeps a value from being a route table, in one line; undefined when it is one. What passes can be written into a
 * proxy's configuration as it is: no name, address or value can mean more than itself there.
 */
export function findRouteTableProblem(value: unknown): string | undefined {
  if (!isRecord(value)) return 'the route table is not an object';
  const alien = findAlien(value, [
    'schema',
    'backend',
    'pools',
    'canaryPermille',
    'match',
    'sticky',
  ]);
  if (alien !== undefined) return `the route table has the unknown field "${alien}"`;
  const { schema, backend, pools, canaryPermille: share, match, sticky } = value;
  if (schema !== ROUTE_TABLE_SCHEMA) return `schema is not "${ROUTE_TABLE_SCHEMA}"`;
  if (typeof backend !== 'string' || !isName(backend)) return 'backend is not a name';
  if (!isWhole(share, 0, 1000)) return 'canaryPermille is not a whole number from 0 to 1000';
  if (!isRecord(pools) || findAlien(pools, ['stable', 'canary']) !== undefined) {
    return 'pools is not an object with exactly stable and canary';
  }
  const { stable, canary } = pools;
  const problem =
    findPoolProblem('stable', stable) ??
    findPoolProblem('canary', canary) ??
    findMatchesProblem(match) ??
    findStickyProblem(sticky, match as readonly RouteMatch[]);
  if (problem !== undefined) return problem;
  const counts = {
    stable: (stable as readonly unknown[]).length,
    canary: (canary as readonly unknown[]).length,
  };
  if (counts.stable + counts.canary > MAX_ROUTE_SERVERS) {
    return `${counts.stable + counts.canary} servers; at most ${MAX_ROUTE_SERVERS} can stand in one table`;
  }
  const twice = findTwice([...(stable as RouteServer[]), ...(canary as RouteServer[])]);
  if (twice !== undefined) return `${twice} stands in the pools twice`;
  if (share > 0 && counts.canary === 0) {
    return `${share} ‰ of the requests go to the canary pool, and it has no server`;
  }
  if (share < 1000 && counts.stable === 0) {
    return `${1000 - share} ‰ of the requests go to the stable pool, and it has no server`;
  }
  if ((match as readonly unknown[]).length > 0 && counts.canary === 0) {
    return 'requests that fit a match go to the canary pool, and it has no server';
  }
  return undefined;
}

function findPoolProblem(pool: string, value: unknown): string | undefined {
  if (!Array.isArray(value)) return `pools.${pool} is not a list`;
  if (value.length > MAX_ROUTE_SERVERS) {
    return `pools.${pool} has ${value.length} servers; at most ${MAX_ROUTE_SERVERS} can stand in one table`;
  }
  let before = '';
  for (const [index, server] of value.entries()) {
    const where = `pools.${pool}[${index}]`;
    if (!isRecord(server) || findAlien(server, ['name', 'address', 'port']) !== undefined) {
      return `${where} is not an object with exactly name, address and port`;
    }
    const { name, address, port } = server;
    if (typeof name !== 'string' || !isName(name)) return `${where}.name is not a name`;
    if (name <= before) return `pools.${pool} is not sorted by name: "${name}" after "${before}"`;
    if (typeof address !== 'string' || !isAddress(address)) {
      return `${where}.address is not an IP address or host name in lower case`;
    }
    if (!isWhole(port, 1, 65_535)) return `${where}.port is not a port`;
    before = name;
  }
  return undefined;
}

function findMatchesProblem(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'match is not a list';
  if (value.length > MAX_ROUTE_MATCHES) {
    return `match has ${value.length} entries; at most ${MAX_ROUTE_MATCHES} can stand in one table`;
  }
  const seen = new Set<string>();
  for (const [index, match] of value.entries()) {
    const where = `match[${index}]`;
    const kind = isRecord(match) && 'header' in match ? 'header' : 'cookie';
    const field = isRecord(match) ? match[kind] : undefined;
    if (
      !isRecord(match) ||
      Object.keys(match).length !== 1 ||
      !isRecord(field) ||
      findAlien(field, ['name', 'value']) !== undefined
    ) {
      return `${where} is not exactly one header or cookie with a name and a value`;
    }
    const { name, value: wanted } = field;
    if (typeof name !== 'string' || !(kind === 'header' ? HEADER : COOKIE).test(name)) {
      return kind === 'header'
        ? `${where}.header.name is not a header name: small letters, digits and -, at most 64`
        : `${where}.cookie.name is not a cookie name of letters, digits and _, at most 64`;
    }
    if (typeof wanted !== 'string' || !VALUE.test(wanted)) {
      return `${where}.${kind}.value is not 1 to 128 letters, digits, ".", "_" and "-"`;
    }
    const key = `${kind} ${name} ${wanted}`;
    if (seen.has(key)) return `${where} says the same as one before it`;
    seen.add(key);
  }
  return undefined;
}

function findStickyProblem(value: unknown, match: readonly RouteMatch[]): string | undefined {
  if (value === undefined) return undefined;
  if (!isRecord(value) || findAlien(value, ['cookie']) !== undefined) {
    return 'sticky is not an object with exactly cookie';
  }
  const { cookie } = value;
  if (typeof cookie !== 'string' || !COOKIE.test(cookie)) {
    return 'sticky.cookie is not a cookie name of letters, digits and _, at most 64';
  }
  return match.some((one) => 'cookie' in one && one.cookie.name === cookie)
    ? `sticky.cookie "${cookie}" is the cookie of a match, too`
    : undefined;
}

/** A name, or an address and port, that two servers have. */
function findTwice(servers: readonly RouteServer[]): string | undefined {
  const seen = new Set<string>();
  for (const { name, address, port } of servers) {
    for (const key of [name, `${address} port ${port}`]) {
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

function isAddress(value: string): boolean {
  if (value.includes(':')) return isIpv6(value);
  return /^[\d.]+$/.test(value) ? IPV4.test(value) : HOST.test(value);
}

/** Eight groups of hexadecimal digits in small letters, one run of them as `::`; no zone, no IPv4 at the end. */
function isIpv6(value: string): boolean {
  const halves = value.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

function sorted(servers: readonly RouteServer[]): readonly RouteServer[] {
  return servers
    .map(({ name, address, port }) => ({ name, address, port }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first field that is not known; undefined when all are. */
function findAlien(value: object, known: readonly string[]): string | undefined {
  return Object.keys(value).find((key) => !known.includes(key));
}
