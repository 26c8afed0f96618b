/**
 * Starts, once for a run of Jest, the real services that suites need: an embedded Postgres and a
 * Temporal dev server, in a folder that is removed at the end. Suites find them by
 *
 *   SLUICE_TEST_POSTGRES_URL       superuser URL; make a database of your own from a template
 *   SLUICE_TEST_TEMPORAL_ADDRESS   host:port; use task queues and workflow ids of your own
 *   SLUICE_TRIVY                   the real scanner, from the tool lock
 *
 * Nothing is started with SLUICE_TEST_SERVICES=none, and what the environment already names is
 * used as it is. Jest transforms nothing here, so this uses the built packages and builds first.
 */
import { buildAll } from '../../infra/build/build.mjs';
import { createServices, startPostgres, startTemporal } from '../../infra/checks/test-services.mjs';

export default async function globalSetup() {
  if (process.env.SLUICE_TEST_SERVICES === 'none') return;
  const { errors } = await buildAll();
  for (const error of errors) console.error(`build: ${error}`);

  const { getTool } = await import('@sluice/infra');
  const services = createServices();
  globalThis.__sluiceTestServices = services;
  const provide = async (variable, start) => {
    if (!process.env[variable]) process.env[variable] = await start(services);
  };
  // Both must have come to an end before anything is stopped: one may still be starting.
  const results = await Promise.allSettled([
    provide('SLUICE_TEST_POSTGRES_URL', startPostgres),
    provide('SLUICE_TEST_TEMPORAL_ADDRESS', startTemporal),
    provide('SLUICE_TRIVY', async () => (await getTool('trivy')).path),
  ]);
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed) {
    await services.stop();
    throw failed.reason;
  }
}
