import { join } from 'node:path';
import { startProxy } from './proxy-process.ts';
import type { ProxyKind } from './proxy-setup.ts';
import { setUpProxy } from './proxy-setup.ts';
import type { AgentPlace } from './stack-apps.ts';
import type { StackLayout } from './stack-layout.ts';
import { logFileOf } from './stack-layout.ts';
import type { StackParts } from './stack-parts.ts';
import type { StackPorts } from './stack-ports.ts';

/** A proxy of a stack: a program on this machine, with an agent of its own that moves its requests. */
export type StackRouter = {
  readonly name: string;
  readonly environment: string;
  readonly kind: ProxyKind;
  /** Name of the backend that the routes are of. */
  readonly backend: string;
  /** The proxy's program. Absolute. */
  readonly executable: string;
};

/** The name under which a router's port is kept. */
export function routerPort(router: string): string {
  return `router:${router}`;
}

/** The same of the port that is its agent's alone. */
export function routerAdminPort(router: string): string {
  return `router-admin:${router}`;
}

/**
 * Declares the part `proxy-<router>` of each router.
 *
 * @param isMeasured they tell a Prometheus what they count.
 * @returns the places of their agents.
 */
export function declareRouters(
  routers: readonly StackRouter[],
  layout: StackLayout,
  parts: StackParts,
  ports: StackPorts,
  isMeasured = false,
): AgentPlace[] {
  return routers.map((router) => {
    const name = `proxy-${router.name}`;
    const port = ports[routerPort(router.name)] ?? 0;
    const adminPort = ports[routerAdminPort(router.name)] ?? 0;
    const folder = join(layout.proxiesDir, router.name);
    const { args, prepare, agentEnv } = setUpProxy({
      ...router,
      port,
      adminPort,
      folder,
      isMeasured,
    });
    parts.add(name, async (onSpawn) => {
      await prepare();
      const { executable } = router;
      return startProxy(
        { name, executable, args, port, logFile: logFileOf(layout, name) },
        onSpawn,
      );
    });
    return { name: router.name, agentEnv };
  });
}
