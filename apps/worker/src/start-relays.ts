import { releaseLeaseOfEnded, settleReportedActivity } from '@sluice/activities';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger, Metrics } from '@sluice/observability';
import type { Pool } from '@sluice/persistence';
import {
  createArchiveEngine,
  createTemporalEngine,
  type Relay,
  type ReleaseLeaseOfEnded,
  startArchiver,
  startEventLinker,
  startOutboxRelay,
  startProblemWatch,
  startReconciler,
  startWatchdog,
} from '@sluice/relays';
import type { SignerClient } from '@sluice/signing';
import type { CodecKeys, createTemporalClient } from '@sluice/temporal-client';
import type { WorkerSettings } from './worker-settings.ts';

/** What the relays are made of. */
export interface RelayParts {
  readonly settings: WorkerSettings;
  /** Opens a pool that is closed with the process. */
  readonly openPool: (connectionString: string, applicationName: string, max: number) => Pool;
  /** Of the role sluice_worker. */
  readonly workerPool: Pool;
  readonly client: Awaited<ReturnType<typeof createTemporalClient>>;
  readonly evidence: EvidenceStore;
  readonly signer: SignerClient;
  readonly codecKeys: CodecKeys;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Starts every loop over the records that belongs to no request. */
export function startRelays(parts: RelayParts): readonly Relay[] {
  const { settings, openPool, workerPool, logger, metrics } = parts;
  const { evidence, signer, codecKeys } = parts;
  const engine = createTemporalEngine(parts.client);
  const watchdogPool = openPool(settings.watchdogDatabaseUrl, 'sluice-watchdog', 3);
  const giveBack: ReleaseLeaseOfEnded = (ended) => releaseLeaseOfEnded(workerPool, ended);
  return [
    startOutboxRelay({
      pool: openPool(settings.relayDatabaseUrl, 'sluice-relay', 4),
      workerPool,
      connectionString: settings.relayDatabaseUrl,
      engine,
      settleActivity: (place) => settleReportedActivity(workerPool, place),
      logger,
      metrics,
    }),
    startEventLinker({
      pool: openPool(settings.linkerDatabaseUrl, 'sluice-linker', 2),
      connectionString: settings.linkerDatabaseUrl,
      logger,
    }),
    startWatchdog({
      pool: watchdogPool,
      workerPool,
      engine,
      releaseLeaseOfEnded: giveBack,
      logger,
      metrics,
      periodSeconds: settings.watchdogSeconds,
    }),
    startProblemWatch({
      pool: watchdogPool,
      workerPool,
      engine,
      logger,
      metrics,
      periodSeconds: settings.watchdogSeconds,
    }),
    startReconciler({
      pool: watchdogPool,
      connectionString: settings.watchdogDatabaseUrl,
      workerPool,
      engine,
      evidence,
      releaseLeaseOfEnded: giveBack,
      logger,
      metrics,
      periodSeconds: settings.reconcileSeconds,
    }),
    startArchiver({
      pool: openPool(settings.watchdogDatabaseUrl, 'sluice-archiver', 2),
      connectionString: settings.watchdogDatabaseUrl,
      workerPool,
      engine: createArchiveEngine(parts.client),
      evidence,
      signer,
      codecKeys,
      logger,
      metrics,
      retentionSeconds: settings.retentionSeconds,
    }),
  ];
}
