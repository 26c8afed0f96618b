export type { CaddySettings } from './caddy/caddy-driver.ts';
export * from './create-router.ts';
export type { HaproxySettings } from './haproxy/haproxy-driver.ts';
export type { NginxSettings } from './nginx/nginx-driver.ts';
export type { ReloadWay } from './reload.ts';
export * from './route-driver.ts';
export * from './router.ts';
export * from './router-error.ts';
export type { TraefikSettings } from './traefik/traefik-driver.ts';
