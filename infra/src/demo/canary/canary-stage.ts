import { fileURLToPath } from 'node:url';
import type { StackTarget } from '../../stack/stack-configuration.ts';
import type { StackPrincipal } from '../../stack/stack-secrets.ts';
import type { StackOptions } from '../../stack/stack-types.ts';
import type { Tool } from '../../tools/get-tool.ts';
import type { FoundProxy } from '../demo-proxy.ts';

const PIPELINES = [
  '../../../../examples/rollouts/canary.yaml',
  '../../../demo/canary.yaml',
  '../../../demo/canary-measured.yaml',
];

/** The one environment of the canary's story. */
export const SHOP = 'shop';

/** Its router. */
export const EDGE = 'edge';

/** Its targets, all behind the router. */
export const WEB: readonly string[] = [1, 2, 3, 4].map((number) => `web-${number}`);

const PRINCIPALS: readonly StackPrincipal[] = [
  { name: 'release-manager', role: 'release-manager' },
  { name: 'viewer', role: 'viewer' },
  { name: 'admin', role: 'admin' },
];

/** How long things take in the demo; a real rollout watches for minutes. Seconds. */
const PACE = { soakSeconds: 25, intervalSeconds: 5 };

/** Each agent asks its service ten times a second, beside the requests that come through the proxy. */
const PROBE = { path: '/', everyMs: 100 };

/** The stack of the canary: four hosts behind one proxy, and `examples/rollouts/canary.yaml` with shorter waits. */
export function getCanaryStack(
  proxy: FoundProxy,
  prometheus: Tool | undefined,
): Pick<
  StackOptions,
  'environments' | 'targets' | 'routers' | 'principals' | 'pipelines' | 'prometheusExecutable'
> {
  const pipeline = prometheus === undefined ? 'canary-demo' : 'canary-measured';
  return {
    ...(prometheus === undefined ? {} : { prometheusExecutable: prometheus.path }),
    pipelines: PIPELINES.map((file) => fileURLToPath(new URL(file, import.meta.url))),
    environments: [{ name: SHOP, position: 1, pipeline, parameters: { router: EDGE, ...PACE } }],
    targets: WEB.map(
      (name): StackTarget => ({
        ...{ name, environment: SHOP, probe: PROBE, health: { failures: 40 } },
        settings: { GREETING: `hello from ${name}`, TARGET: name },
      }),
    ),
    routers: [
      {
        ...{ name: EDGE, environment: SHOP, backend: 'hello' },
        ...{ kind: proxy.kind, executable: proxy.path },
      },
    ],
    principals: PRINCIPALS,
  };
}
