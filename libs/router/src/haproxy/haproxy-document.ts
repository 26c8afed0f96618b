import type { RouteMatch, RouteServer, RouteTable } from '@sluice/domain';
import { endpointOf, formOf } from '../marks.ts';

/** What the document needs to know beside the table. */
export interface HaproxyDocumentSettings {
  /** An empty file: what is said to the running proxy alone is in its map. */
  readonly mapFile: string;
  /** Words after each server: `check`. */
  readonly serverOptions: string;
  /** Lines of the host's own in the backend. */
  readonly lines: readonly string[];
}

/** Name of the map's one entry. */
export const SHARE_KEY = 'permille';

/**
 * The backend of a table. Requests are drawn: below the share, or by a match, they go to a canary server by `use-server`,
 * each as likely; all others are balanced over the servers of weight 1. A canary server that is down gives its
 * requests to those, too. The share is looked up for each request, so that it can be changed without a reload.
 */
export function renderHaproxy(table: RouteTable, settings: HaproxyDocumentSettings): string {
  const { backend, pools, canaryPermille: share, match, sticky } = table;
  const lines = [
    '# Written by Sluice. A change by hand stops all further ones.',
    '# Empty: its name says what the running proxy was started with.',
    `backend ${markerOf(table)}`,
    '',
    `backend ${backend}`,
    '    mode http',
    '    balance roundrobin',
    '    option redispatch 1',
    ...settings.lines.map((line) => `    ${line}`),
    `    http-request set-var(txn.sluice_share) str(${SHARE_KEY}),map_str_int(${settings.mapFile},${share})`,
    '    http-request set-var(txn.sluice_draw) rand(1000)',
  ];
  if (sticky !== undefined) {
    const { cookie } = sticky;
    lines.push(
      `    acl sluice_known req.cook(${cookie}) -m reg ^[0-9][0-9]?[0-9]?$`,
      `    http-request set-var(txn.sluice_draw) req.cook_val(${cookie}) if sluice_known`,
      '    http-request set-var(txn.sluice_new) bool(true) if !sluice_known',
      `    http-response add-header Set-Cookie "${cookie}=%[var(txn.sluice_draw)]; Path=/; HttpOnly; SameSite=Lax" if { var(txn.sluice_new) -m bool }`,
    );
  }
  if (pools.canary.length > 0) {
    lines.push('    acl sluice_canary var(txn.sluice_draw),sub(txn.sluice_share) lt 0');
    lines.push(...match.map((one) => `    acl sluice_canary ${conditionOf(one)}`));
    lines.push(...useServers(pools.canary));
  }
  for (const server of pools.stable)
    lines.push(serverLine(server, weightOf('stable', share), settings));
  for (const server of pools.canary)
    lines.push(serverLine(server, weightOf('canary', share), settings));
  return `${lines.join('\n')}\n`;
}

/** Weight of a server of a pool: one pool is balanced over, the other is reached by `use-server` alone. */
export function weightOf(pool: 'stable' | 'canary', share: number): 0 | 1 {
  return (share === 1000) === (pool === 'canary') ? 1 : 0;
}

/** Name of the empty backend that says which table a process was started with. */
export function markerOf(table: RouteTable): string {
  return `${markerStart(table.backend)}${formOf(table)}.${table.canaryPermille}`;
}

/** How the names of a backend's markers begin. */
export function markerStart(backend: string): string {
  return `sluice.${backend}.`;
}

function useServers(servers: readonly RouteServer[]): readonly string[] {
  if (servers.length === 1) return [`    use-server ${servers[0]?.name} if sluice_canary`];
  return [
    `    http-request set-var(txn.sluice_pick) rand(${servers.length}) if sluice_canary`,
    ...servers.map(
      ({ name }, index) => `    use-server ${name} if { var(txn.sluice_pick) -m int ${index} }`,
    ),
  ];
}

function conditionOf(match: RouteMatch): string {
  return 'header' in match
    ? `req.hdr(${match.header.name}) -m str -- ${match.header.value}`
    : `req.cook(${match.cookie.name}) -m str -- ${match.cookie.value}`;
}

function serverLine(
  server: RouteServer,
  weight: number,
  settings: HaproxyDocumentSettings,
): string {
  const options = settings.serverOptions === '' ? '' : ` ${settings.serverOptions}`;
  return `    server ${server.name} ${endpointOf(server)} weight ${weight}${options}`;
}
