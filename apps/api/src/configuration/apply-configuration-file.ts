import { setTimeout as sleep } from 'node:timers/promises';
import { BUILT_IN_PIPELINES } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import {
  applyConfiguration,
  findPipeline,
  findPipelineVersion,
  isUnavailable,
  type Pool,
  readPipelineLibrary,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import type { Configuration } from './configuration.ts';
import type { PublishedPipelines } from './judge-pipelines.ts';
import { listPolicyBundles, loadConfiguration } from './load-configuration.ts';

/** How long the API waits for Postgres when it starts: a machine that boots starts all at once. Milliseconds. */
const DATABASE_WAIT_MS = 60_000;

/**
 * Reads the configuration file and makes the records say the same, in one transaction.
 * @throws ConfigurationError with every problem there is; then nothing was changed
 */
export async function applyConfigurationFile(options: {
  readonly pool: Pool;
  readonly file: string;
  /** Where the policy bundles stand, one folder each. */
  readonly policiesFolder: string;
  readonly log: Logger;
}): Promise<Configuration> {
  const { pool, file, policiesFolder, log } = options;
  const bundles = await listPolicyBundles(policiesFolder);
  const configuration = await loadConfiguration(file, bundles, (tenant) =>
    publishedIn(pool, tenant, log),
  );
  const { changed } = await untilThere(log, () =>
    withTenant(pool, configuration.tenant, (tx) =>
      applyConfiguration(tx, {
        sources: configuration.sources,
        pipelines: [...BUILT_IN_PIPELINES, ...configuration.pipelines],
        policies: bundles.map(({ name, digest }) => ({ name, policyDigest: digest })),
        environments: configuration.environments,
        targets: [...configuration.targets, ...configuration.routers],
        budgets: configuration.budgets,
        offlineSeconds: configuration.agents.offlineSeconds,
        principals: configuration.principals,
        histories: configuration.histories,
      }),
    ),
  );
  log.info(
    { file, changed },
    changed.length === 0 ? 'configuration unchanged' : 'configuration applied',
  );
  return configuration;
}

/** What is published in a tenant, read each time; a file without pipelines of a team asks nothing. */
function publishedIn(pool: Pool, tenant: string, log: Logger): PublishedPipelines {
  const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
    untilThere(log, () => withTenant(pool, tenant, work));
  return {
    find: (name, version) =>
      inTenant((tx) =>
        version === null ? findPipeline(tx, name) : findPipelineVersion(tx, name, version),
      ),
    library: (template) => inTenant((tx) => readPipelineLibrary(tx, template)),
  };
}

async function untilThere<T>(log: Logger, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + DATABASE_WAIT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error) || Date.now() > deadline) throw error;
      log.warn({ err: error }, 'Postgres is not there yet; it is tried again');
      await sleep(1_000);
    }
  }
}
