import { mkdir, readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { packSamples } from '../samples/pack-samples.ts';
import type { StackConfiguration } from './stack-configuration.ts';
import { StackError } from './stack-error.ts';
import type { StackLayout } from './stack-layout.ts';
import type { StackPrincipal } from './stack-secrets.ts';
import type { StackOptions } from './stack-types.ts';

const DEFAULT_PRINCIPALS: readonly StackPrincipal[] = [
  { name: 'release-manager', role: 'release-manager' },
  { name: 'viewer', role: 'viewer' },
  { name: 'approver', role: 'approver' },
  { name: 'admin', role: 'admin' },
];

/** What a stack is made of when its options leave something out; makes the folders that are its. */
export async function completeConfiguration(
  options: StackOptions,
  layout: StackLayout,
): Promise<StackConfiguration> {
  await mkdir(layout.agentsDir, { recursive: true });
  await mkdir(layout.evidenceDir, { recursive: true });
  if (options.configFile !== undefined) {
    const tenant = await readTenant(options.configFile);
    return { tenant, sources: [], environments: [], targets: [], principals: [] };
  }
  if (options.sources === undefined) {
    await packSamples(layout.samplesDir);
  }
  return {
    tenant: options.tenant ?? 'demo',
    sources: options.sources ?? [{ name: 'samples', path: layout.samplesDir }],
    environments: options.environments ?? [{ name: 'dev', position: 1 }],
    targets: options.targets ?? [{ name: 'dev-host-1', environment: 'dev' }],
    ...(options.routers === undefined ? {} : { routers: options.routers }),
    principals: options.principals ?? DEFAULT_PRINCIPALS,
    ...(options.pipelines === undefined ? {} : { pipelines: options.pipelines }),
    ...(options.agents === undefined ? {} : { agents: options.agents }),
  };
}

/** The tenant alone: everything else of the file is the API's to check. */
async function readTenant(file: string): Promise<string> {
  const problem = (what: string): StackError =>
    new StackError(
      'stack-configuration-invalid',
      `${file} ${what}; see docs/guides/configuration.md.`,
    );
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw problem(`cannot be read (${(cause as Error).message})`);
  });
  let document: { tenant?: unknown } | null;
  try {
    document = parse(text) as { tenant?: unknown } | null;
  } catch (cause) {
    throw problem(`is no YAML (${(cause as Error).message.split('\n')[0]})`);
  }
  if (typeof document?.tenant !== 'string') {
    throw problem('names no tenant');
  }
  return document.tenant;
}
