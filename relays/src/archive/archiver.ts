import type { Logger, Metrics } from '@sluice/observability';
import {
  createListener,
  type DueExecutionRecord,
  HISTORIES_CHANNEL,
  listDueExecutions,
  type Pool,
  readArchiveBacklog,
} from '@sluice/persistence';
import { inLanes } from '../in-lanes.ts';
import type { Relay } from '../outbox-relay.ts';
import { repeat } from '../repeat.ts';
import { type ArchiveParts, archiveExecution } from './archive-execution.ts';
import { type ExpiryParts, expireHistories } from './expire-histories.ts';
import { removeUnnamedArchives } from './remove-unnamed-archives.ts';

/** What the archiver is built from. */
export interface ArchiverOptions extends Omit<ArchiveParts, 'logger'> {
  /** Of the role sluice_watchdog, which sees what of all tenants is not archived, and writes nothing. */
  readonly pool: Pool;
  /** Same role as the pool's; for LISTEN. */
  readonly connectionString: string;
  readonly evidence: ArchiveParts['evidence'] & ExpiryParts['evidence'];
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Seconds between looks for histories whose time is over. */
  readonly retentionSeconds: number;
}

const BATCH = 50;

/** Workflows that are archived at once; few, for what runs goes first. */
const LANES = 4;

/** Milliseconds between looks when nobody notifies: a notification may be missed. */
const LONGEST_SLEEP_MS = 2000;

/**
 * Archives the history of every workflow that has closed, of all tenants, and removes those whose time is over by rule.
 * Several archivers at once do no harm; one that is killed loses nothing.
 */
export function startArchiver(options: ArchiverOptions): Relay {
  const { logger, metrics } = options;
  const stopping = new AbortController();
  const loop = repeat(
    () => archiveDue(options, stopping.signal),
    (error, failures) => logger.warn({ err: error, failures }, 'archiver: the round failed'),
  );
  const retention = repeat(
    async () => {
      const [expired, unnamed] = await Promise.allSettled([
        expireHistories(options, stopping.signal),
        removeUnnamedArchives(options, stopping.signal),
      ]);
      if (expired.status === 'rejected') throw expired.reason;
      if (expired.value > 0) outcomesOf(metrics)?.inc({ outcome: 'expired' }, expired.value);
      if (unnamed.status === 'rejected') throw unnamed.reason;
      return options.retentionSeconds * 1000;
    },
    (error, failures) => logger.warn({ err: error, failures }, 'history retention: it failed'),
  );
  const listener = createListener({
    connectionString: options.connectionString,
    channels: [HISTORIES_CHANNEL],
    applicationName: 'sluice-archiver-listener',
    onNotify: () => loop.wake(),
    onConnected: () => loop.wake(),
    onConnectionError: (error) => logger.warn({ err: error }, 'archiver: listening was lost'),
  });
  return {
    stop: async () => {
      stopping.abort();
      await listener.close();
      await Promise.all([loop.stop(), retention.stop()]);
    },
  };
}

/** Looks at what is due now; gives the milliseconds until the next look. */
async function archiveDue(options: ArchiverOptions, stopping: AbortSignal): Promise<number> {
  let due: readonly DueExecutionRecord[];
  do {
    due = await listDueExecutions(options.pool, { limit: BATCH });
    await inLanes(due, (one) => archiveOne(options, one), { stopping, errors: [] }, LANES);
  } while (due.length === BATCH && !stopping.aborted);
  const { open, nextDueMs } = await readArchiveBacklog(options.pool);
  options.metrics
    ?.gauge('sluice_histories_open', 'Workflows that run, or are closed and not archived yet')
    .set(open);
  return Math.min(Math.max(nextDueMs ?? LONGEST_SLEEP_MS, 50), LONGEST_SLEEP_MS);
}

/** One that fails holds up no other. */
async function archiveOne(options: ArchiverOptions, due: DueExecutionRecord): Promise<void> {
  const { logger, metrics } = options;
  const { tenantId, promotionId, workflowId } = due;
  try {
    const outcome = await archiveExecution(options, due);
    if (outcome === 'archived' || outcome === 'lost') outcomesOf(metrics)?.inc({ outcome });
  } catch (error) {
    outcomesOf(metrics)?.inc({ outcome: 'failed' });
    logger.warn({ err: error, tenantId, promotionId, workflowId }, 'archiver: put off');
  }
}

function outcomesOf(metrics: Metrics | undefined) {
  return metrics?.counter(
    'sluice_histories_total',
    'Workflows whose history was archived or lost, tries that failed, histories that expired',
    ['outcome'],
  );
}
