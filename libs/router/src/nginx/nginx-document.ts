import type { RouteMatch, RouteServer, RouteTable } from '@sluice/domain';
import { endpointOf, escapeValue, shortMark } from '../marks.ts';

/** What the document needs to know beside the table. */
export interface NginxDocumentSettings {
  /** `127.0.0.1:9180`: where nginx tells which table its workers have. */
  readonly status: string;
  /** Lines of the host's own in each upstream. */
  readonly lines: readonly string[];
}

/**
 * What nginx includes on the level of `http`: an upstream a pool, the draw, the matches, and a server on loopback that
 * says which table this is. `proxy_pass http://$sluice_<backend>;` uses it.
 */
export function renderNginx(table: RouteTable, settings: NginxDocumentSettings): string {
  const { backend, pools, canaryPermille: share, match, sticky } = table;
  const name = variableOf(backend);
  const upstream = { stable: `${name}_stable`, canary: `${name}_canary` };
  const lines = ['# Written by Sluice. A change by hand stops all further ones.'];
  for (const pool of ['stable', 'canary'] as const) {
    if (pools[pool].length > 0)
      lines.push(...upstreamOf(upstream[pool], pools[pool], settings.lines));
  }
  lines.push(...visitorOf(name, sticky?.cookie));
  lines.push(`split_clients $${name}_visitor $${name}_draw {`);
  if (share > 0 && share < 1000) lines.push(`    ${percentOf(share)} ${upstream.canary};`);
  lines.push(`    * ${share === 1000 ? upstream.canary : upstream.stable};`, '}');
  match.forEach((one, index) => {
    lines.push(
      `map $${sourceOf(one)} $${name}_match_${index} {`,
      `    "~^${escapeValue(valueOf(one))}$" 1;`,
      '    default "";',
      '}',
    );
  });
  const matches = match.map((_, index) => `$${name}_match_${index}`).join('');
  lines.push(
    `map "${matches}" $${name} {`,
    `    "" $${name}_draw;`,
    ...(match.length === 0 ? [] : [`    default ${upstream.canary};`]),
    '}',
    'server {',
    `    listen ${settings.status};`,
    '    access_log off;',
    '    default_type text/plain;',
    '    location / { return 404; }',
    `    location = ${statusPathOf(backend)} { return 200 ${shortMark(table)}; }`,
    '}',
  );
  return `${lines.join('\n')}\n`;
}

/** Name of the variable that holds the upstream: `sluice_shop`; the others begin with it. */
export function variableOf(backend: string): string {
  return `sluice_${backend.replaceAll('-', '_')}`;
}

/** Where the server on loopback says which table its worker has. */
export function statusPathOf(backend: string): string {
  return `/sluice/${backend}`;
}

/** Without a cookie each request is a visitor. A visitor's id is what is drawn from, so a share keeps its visitors. */
function visitorOf(name: string, cookie: string | undefined): readonly string[] {
  if (cookie === undefined) {
    return [
      `map $request_id $${name}_visitor { default $request_id; }`,
      `map $request_id $${name}_cookie { default ""; }`,
    ];
  }
  return [
    `map $cookie_${cookie} $${name}_visitor {`,
    `    "~^[0-9a-f]{32}$" $cookie_${cookie};`,
    '    default $request_id;',
    '}',
    `map $cookie_${cookie} $${name}_cookie {`,
    '    "~^[0-9a-f]{32}$" "";',
    `    default "${cookie}=$request_id; Path=/; HttpOnly; SameSite=Lax";`,
    '}',
  ];
}

function upstreamOf(
  name: string,
  servers: readonly RouteServer[],
  lines: readonly string[],
): readonly string[] {
  return [
    `upstream ${name} {`,
    ...servers.map((server) => `    server ${endpointOf(server)}; # ${server.name}`),
    ...lines.map((line) => `    ${line}`),
    '    keepalive 32;',
    '}',
  ];
}

function sourceOf(match: RouteMatch): string {
  return 'header' in match
    ? `http_${match.header.name.replaceAll('-', '_')}`
    : `cookie_${match.cookie.name}`;
}

function valueOf(match: RouteMatch): string {
  return 'header' in match ? match.header.value : match.cookie.value;
}

/** nginx takes hundredths of a percent: a share in tenths is exact. */
function percentOf(share: number): string {
  return `${Math.floor(share / 10)}.${share % 10}%`;
}
