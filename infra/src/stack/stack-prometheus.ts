import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startProxy } from './proxy-process.ts';
import type { StackLayout } from './stack-layout.ts';
import { logFileOf } from './stack-layout.ts';
import type { StackParts } from './stack-parts.ts';
import type { StackPorts } from './stack-ports.ts';
import type { StackRouter } from './stack-routers.ts';
import { routerAdminPort } from './stack-routers.ts';

/** The name under which its port is kept, and the one that pipelines know the provider by. */
export const PROMETHEUS = 'prometheus';

/** The file that tells the worker where it is. */
export function providersFileOf(layout: StackLayout): string {
  return join(layout.dataDir, 'prometheus', 'providers.yaml');
}

/**
 * Declares the part `prometheus`: it reads what the HAProxies of the stack count, once a second. Its port is known to the worker by
 * {@link providersFileOf}, which is written here.
 */
export async function declarePrometheus(
  executable: string,
  place: {
    readonly layout: StackLayout;
    readonly parts: StackParts;
    readonly ports: StackPorts;
    readonly tenant: string;
    readonly routers: readonly StackRouter[];
  },
): Promise<void> {
  const { layout, parts, ports, tenant, routers } = place;
  const folder = join(layout.dataDir, 'prometheus');
  const config = join(folder, 'prometheus.yml');
  const port = ports[PROMETHEUS] ?? 0;
  const measured = routers.filter(({ kind }) => kind === 'haproxy');
  const targets = measured.map(({ name }) => `127.0.0.1:${ports[routerAdminPort(name)]}`);
  await mkdir(folder, { recursive: true });
  await writeFile(
    config,
    stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: [{ job_name: 'routers', static_configs: [{ targets }] }],
    }),
  );
  const provider = { kind: 'prometheus', url: `http://127.0.0.1:${port}` };
  await writeFile(
    providersFileOf(layout),
    stringify({
      schema: 'sluice.analysis-providers/v1',
      tenants: { [tenant]: { [PROMETHEUS]: provider } },
    }),
  );
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'series')}`,
    '--storage.tsdb.retention.time=1d',
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ];
  const launch = { name: PROMETHEUS, executable, args, port };
  parts.add(PROMETHEUS, (onSpawn) =>
    startProxy({ ...launch, logFile: logFileOf(layout, PROMETHEUS) }, onSpawn),
  );
}

/** What the worker is told of it. */
export function prometheusEnv(layout: StackLayout): Readonly<Record<string, string>> {
  return {
    SLUICE_ANALYSIS_PROVIDERS: providersFileOf(layout),
    SLUICE_OUTBOUND_ALLOW: '*,127.0.0.0/8',
  };
}
