import { CaddyDriver, type CaddySettings } from './caddy/caddy-driver.ts';
import { HaproxyDriver, type HaproxySettings } from './haproxy/haproxy-driver.ts';
import { NginxDriver, type NginxSettings } from './nginx/nginx-driver.ts';
import type { RouteDriver } from './route-driver.ts';
import type { Router } from './router.ts';
import { TableRouter } from './table-router.ts';
import { TraefikDriver, type TraefikSettings } from './traefik/traefik-driver.ts';

/** Where a proxy is and how it is told: settings of the host, never of a command. */
export type RouterSettings =
  | ({ readonly kind: 'haproxy' } & HaproxySettings)
  | ({ readonly kind: 'nginx' } & NginxSettings)
  | ({ readonly kind: 'caddy' } & CaddySettings)
  | ({ readonly kind: 'traefik' } & TraefikSettings);

/** What a router is made with beside the settings of its proxy. */
export interface RouterOptions {
  /** A folder of the agent's own: the table in force and the one before. */
  readonly stateFolder: string;
  /** How long a change may take to be served; 10 s when absent, 30 s for Traefik, which comes to ask. */
  readonly serveTimeoutMs?: number;
  /** How long open requests are waited for at servers that lost their share; 10 s when absent. */
  readonly drainTimeoutMs?: number;
}

const SERVE_TIMEOUT_MS = 10_000;
const TRAEFIK_SERVE_TIMEOUT_MS = 30_000;
const DRAIN_TIMEOUT_MS = 10_000;

/** Makes the router of one backend of one proxy; nothing is asked or changed yet. */
export function createRouter(settings: RouterSettings, options: RouterOptions): Router {
  return createRouterOf(driverOf(settings), settings.backend, options);
}

/** Makes the router of a driver that one wrote. */
export function createRouterOf(
  driver: RouteDriver,
  backend: string,
  options: RouterOptions,
): Router {
  const { stateFolder, drainTimeoutMs = DRAIN_TIMEOUT_MS } = options;
  const serveTimeoutMs =
    options.serveTimeoutMs ??
    (driver.kind === 'traefik' ? TRAEFIK_SERVE_TIMEOUT_MS : SERVE_TIMEOUT_MS);
  return new TableRouter(driver, { backend, stateFolder, serveTimeoutMs, drainTimeoutMs });
}

function driverOf(settings: RouterSettings): RouteDriver {
  switch (settings.kind) {
    case 'haproxy':
      return new HaproxyDriver(settings);
    case 'nginx':
      return new NginxDriver(settings);
    case 'caddy':
      return new CaddyDriver(settings);
    case 'traefik':
      return new TraefikDriver(settings);
  }
}
