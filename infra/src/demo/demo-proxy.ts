import type { GetToolOptions, Tool } from '../tools/get-tool.ts';
import { findTool } from '../tools/get-tool.ts';

/** Proxies that the demo knows, the one that it likes best first. */
export const DEMO_PROXIES = ['haproxy', 'nginx', 'caddy'] as const;

/** One of {@link DEMO_PROXIES}. */
export type ProxyKind = (typeof DEMO_PROXIES)[number];

/** A proxy that is on this machine. */
export type FoundProxy = Tool & { readonly kind: ProxyKind };

/** What to do on a machine without one. */
export const NO_PROXY =
  'The canary needs a proxy in front of the service, and here is none: install HAProxy (Debian, Ubuntu: apt-get install haproxy), nginx or Caddy, and run this again.';

/** The first of {@link DEMO_PROXIES} that is on this machine; nothing is installed. */
export async function findProxy(options: GetToolOptions = {}): Promise<FoundProxy | undefined> {
  for (const kind of DEMO_PROXIES) {
    const tool = await findTool(kind, options);
    if (tool !== undefined) return { ...tool, kind };
  }
  return undefined;
}

/** A Prometheus that is on this machine, where the proxy is one that it can measure: HAProxy, which counts for it. */
export async function findPrometheus(
  { kind }: FoundProxy,
  options: GetToolOptions = {},
): Promise<Tool | undefined> {
  return kind === 'haproxy' ? findTool('prometheus', options) : undefined;
}
