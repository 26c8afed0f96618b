import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createFolderStore } from '@sluice/evidence-store';
import { QUERY_LIMITS } from '@sluice/graphql';
import { createLogger, createMetrics, type Logger, startTracing } from '@sluice/observability';
import {
  COMMANDS_CHANNEL,
  createListener,
  createPool,
  EVENTS_CHANNEL,
  RELEASE_REQUESTS_CHANNEL,
  STEP_LOGS_CHANNEL,
} from '@sluice/persistence';
import { parseTrustRoot } from '@sluice/signing';
import { loadCodecKeys } from '@sluice/temporal-client';
import { applyConfigurationFile } from './configuration/apply-configuration-file.ts';
import { createTemporalEngine } from './engine/temporal-engine.ts';
import { readEnrolmentKeyFile } from './read-enrolment-key.ts';
import { serveApi } from './serve-api.ts';
import { readSettings } from './settings.ts';
import { SUBSCRIPTION_LIMITS } from './subscriptions/subscription-limits.ts';
import { createSharedWakeups } from './wakeups/shared-wakeups.ts';

const POLICIES = fileURLToPath(new URL('../../../policies/', import.meta.url));

/** Waits for a promotion of what is under way; then the process ends in any case. Milliseconds. */
const STOP_DEADLINE_MS = 15_000;

async function main(log: Logger): Promise<void> {
  const settings = readSettings(process.env, process.cwd());
  const codecKeys = await loadCodecKeys(settings.codecKeysFile);
  const tracing = await startTracing({ service: 'api', logger: log });
  const pool = createPool({
    connectionString: settings.databaseUrl,
    applicationName: 'sluice-api',
    max: 20,
    onConnectionError: (error) => log.warn({ err: error }, 'database connection lost'),
  });
  const configuration = await applyConfigurationFile({
    pool,
    file: settings.configFile,
    policiesFolder: POLICIES,
    log,
  });
  const wakeups = createSharedWakeups();
  const listener = createListener({
    connectionString: settings.databaseUrl,
    applicationName: 'sluice-api-listener',
    channels: [COMMANDS_CHANNEL, RELEASE_REQUESTS_CHANNEL, EVENTS_CHANNEL, STEP_LOGS_CHANNEL],
    onNotify: ({ channel, payload }) => wakeups.notify(channel, payload),
    onConnected: () => wakeups.notifyAll(),
    onConnectionError: (error) => log.warn({ err: error }, 'listening connection lost'),
  });
  const engine = createTemporalEngine({
    address: settings.temporalAddress,
    namespace: settings.temporalNamespace,
    codecKeys,
  });
  const readTrustRoot = (): Promise<string> => readFile(settings.trustRootFile, 'utf8');
  const enrolmentKeyFile = settings.enrolmentKeyFile ?? configuration.enrolmentKeyFile;
  const api = await serveApi(
    {
      pool,
      evidence: createFolderStore(settings.evidenceDir),
      codecKeys,
      log,
      metrics: createMetrics({ service: 'api' }),
      wakeups,
      engine,
      queryLimits: QUERY_LIMITS,
      subscriptionLimits: SUBSCRIPTION_LIMITS,
      tenantId: configuration.tenant,
      agents: configuration.agents,
      publicUrl: settings.publicUrl,
      readTrustRoot,
      readEnrolmentKey: async () =>
        enrolmentKeyFile === null ? undefined : readEnrolmentKeyFile(enrolmentKeyFile),
      readinessChecks: [
        { name: 'postgres', check: async () => void (await pool.query('select 1')) },
        { name: 'temporal', check: engine.check },
        { name: 'trust-root', check: async () => void parseTrustRoot(await readTrustRoot()) },
      ],
      releaseWaitMs: 10_000,
      now: Date.now,
    },
    { host: settings.host, port: settings.port },
  );
  const stop = async (): Promise<void> => {
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    await api.stop();
    await Promise.all([listener.close(), engine.close(), pool.close()]);
    await tracing.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'did not stop cleanly');
          process.exit(1);
        },
      );
    });
  }
  log.info({ url: api.url, tenant: configuration.tenant }, 'ready');
  const { host, port, url } = api;
  process.stdout.write(`${JSON.stringify({ ready: true, service: 'api', url, host, port })}\n`);
}

/** Codes of errors whose messages are written for people: one line per problem. */
const EXPLAINED = new Set(['settings-invalid', 'configuration-invalid', 'codec-keys-invalid']);

const log = createLogger({ service: 'api', level: process.env.SLUICE_LOG_LEVEL });
main(log).catch((error: unknown) => {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (EXPLAINED.has(String(code))) {
    for (const line of String(message).split('\n')) log.fatal(line);
  } else {
    log.fatal({ err: error }, 'the API could not start');
  }
  process.exit(1);
});
