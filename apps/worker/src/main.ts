/**
 * The worker process: Temporal workers for every task queue, and the relays beside them. Everything that it
 * needs may be away at its start and in between: it waits and says so.
 */
import { createActivities, currentActivityScope, TrivyImageScanner } from '@sluice/activities';
import { createDecisionEngine } from '@sluice/decision';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger, createMetrics, type Logger, startTracing } from '@sluice/observability';
import { createPool, type Pool } from '@sluice/persistence';
import { createSignerClient } from '@sluice/signing';
import { createTemporalClient, loadCodecKeys } from '@sluice/temporal-client';
import { installEngineRuntime } from './engine-runtime.ts';
import { watchEngine } from './engine-watch.ts';
import { runEngineWorkers } from './engine-workers.ts';
import { serveHealth } from './health-server.ts';
import { keepWorkflowCode } from './keep-bundle.ts';
import { keepTrying } from './keep-trying.ts';
import { announceReady, onStop } from './process-end.ts';
import type { SettingsError } from './settings.ts';
import { startRelays } from './start-relays.ts';
import { findStepCapabilities } from './step-capabilities.ts';
import { traceSigner } from './traced-signer.ts';
import { readWorkerSettings, type WorkerSettings } from './worker-settings.ts';
import { findWorkflowCode } from './workflow-code.ts';

const log = createLogger({ service: 'worker', level: process.env['SLUICE_LOG_LEVEL'] });

try {
  await start(readWorkerSettings(process.env), log);
} catch (error) {
  if ((error as { code?: unknown }).code === 'settings-invalid') {
    for (const problem of (error as SettingsError).problems) process.stderr.write(`${problem}\n`);
  } else {
    log.fatal({ err: error }, 'the worker cannot start');
  }
  process.exit(1);
}

async function start(settings: WorkerSettings, logger: Logger): Promise<void> {
  const stopping = new AbortController();
  const toStop: (() => Promise<unknown>)[] = [];
  let queues: Readonly<Record<string, string>> = {};
  const parts: Record<string, string> = { engine: 'connecting', relays: 'connecting' };
  onStop(logger, async () => {
    stopping.abort();
    for (const stop of toStop.reverse()) await stop();
  });
  installEngineRuntime(logger);
  const tracing = await startTracing({ service: 'worker', logger });
  toStop.push(() => tracing.stop());
  const metrics = createMetrics({ service: 'worker' });
  if (settings.port !== null) {
    const ready = (): boolean => Object.values(parts).every((state) => state === 'running');
    const server = await serveHealth(
      settings.port,
      () => ({ ready: ready(), parts: { ...parts }, queues }),
      metrics,
    );
    toStop.push(() => server.close());
    parts['health'] = 'running';
    logger.info({ port: server.port }, 'health server listens');
  }
  const codecKeys = await loadCodecKeys(settings.codecKeysFile);
  const decisions = await createDecisionEngine({ policyDir: settings.policyDir });
  toStop.push(() => decisions.close());
  const openPool = (connectionString: string, applicationName: string, max: number): Pool => {
    const pool = createPool({
      connectionString,
      applicationName,
      max,
      onConnectionError: (error) => logger.warn({ err: error }, 'database connection lost'),
    });
    toStop.push(() => pool.close());
    return pool;
  };
  const pool = openPool(settings.databaseUrl, 'sluice-worker', 16);
  const durations = metrics.histogram('sluice_activity_seconds', 'Activities by outcome', [
    'activity',
    'outcome',
  ]);
  const evidence = createFolderStore(settings.evidenceDir);
  const signer = traceSigner(createSignerClient({ socketPath: settings.signerSocket }));
  const code = await findWorkflowCode(logger, settings.workflowBundle);
  const steps = await findStepCapabilities(settings, logger);
  toStop.push(() => steps.close());
  queues = steps.report;
  const activities = createActivities({
    pool,
    evidence,
    signer,
    scanner: new TrivyImageScanner({
      program: settings.trivy,
      cacheDir: settings.trivyCache,
      timeoutMs: settings.scanSeconds * 1000,
    }),
    decisions,
    ...steps.parts,
    logger,
    scope: currentActivityScope,
    supersedeGraceSeconds: settings.supersedeGraceSeconds,
    bundleDigest: code.digest,
    observe: (activity, outcome, seconds) => durations.observe({ activity, outcome }, seconds),
  });
  const { signal } = stopping;
  await keepTrying('connect to Postgres', () => pool.query('select 1'), logger, signal);
  const { temporalAddress: address, temporalNamespace: namespace } = settings;
  // Before the first workflow task: no history shall name code that nobody has.
  await keepTrying(
    'keep the workflow code',
    () => keepWorkflowCode(pool, evidence, code),
    logger,
    signal,
  );
  const version = { buildId: code.buildId, deployment: settings.workerDeployment };
  const workers = runEngineWorkers({
    address,
    namespace,
    codecKeys,
    activities,
    queues: steps.queues,
    atOnce: steps.atOnce,
    workflowBundle: code.bundle,
    version,
    tracing: tracing.sink,
    logger,
    onState: (state) => {
      parts['engine'] = state;
    },
  });
  const watch = steps.watch((choice) => {
    queues = choice.report;
    workers.serve(choice.queues);
  });
  // Together: running work has its time to end from the beginning, however long a look takes.
  toStop.push(() => Promise.all([workers.stop(), watch.stop()]));

  const client = await keepTrying(
    `connect the relays to Temporal at ${address}`,
    () => createTemporalClient({ address, namespace, codecKeys }),
    logger,
    signal,
  );
  if (client === undefined) return;
  toStop.push(() => client.connection.close());
  const endWatch = watchEngine(client, logger, (state) => {
    parts['frontend'] = state;
  });
  toStop.push(async () => endWatch());
  const relays = startRelays({
    settings,
    openPool,
    workerPool: pool,
    client,
    evidence,
    signer,
    codecKeys,
    logger,
    metrics,
  });
  for (const relay of relays) toStop.push(() => relay.stop());
  parts['relays'] = 'running';
  await workers.started;
  if (!signal.aborted) {
    const { policyDigest: policy } = decisions;
    logger.info(
      { address, namespace, policy, ...version, bundle: code.digest, queues },
      'worker ready',
    );
    announceReady({ service: 'worker' });
  }
}
