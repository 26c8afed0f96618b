export { CaddyBench } from './caddy-bench.ts';
export { type ConformanceCheck, ROUTER_CHECKS } from './conformance-checks.ts';
export { HaproxyBench } from './haproxy-bench.ts';
export {
  askThrough,
  assertShare,
  HttpLoad,
  type LoadAnswer,
  type LoadResult,
} from './http-load.ts';
export { NginxBench } from './nginx-bench.ts';
export * from './proxy-bench.ts';
export { ConformanceRoom, withDriver } from './router-conformance.ts';
export { findFreePort, SampleServers } from './sample-servers.ts';
export { TraefikBench } from './traefik-bench.ts';
