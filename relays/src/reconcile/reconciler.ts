import { type EventType, findDiscrepancies } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger, Metrics } from '@sluice/observability';
import {
  createListener,
  type DiscrepancyRecord,
  insertEvent,
  listDiscrepancies,
  MOST_DISCREPANCIES,
  noteReconciliation,
  noteRepair,
  type Pool,
  RECONCILE_CHANNEL,
  replaceDiscrepancies,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { forEachTenant } from '../each-tenant.ts';
import type { Engine } from '../engine.ts';
import type { Relay } from '../outbox-relay.ts';
import { repeat } from '../repeat.ts';
import { type FactSources, gatherFacts } from './gather-facts.ts';
import { createHistoryFileCheck } from './history-files.ts';
import { type RepairParts, repairDiscrepancy } from './repair-discrepancy.ts';

/** What the reconciler is built from. */
export interface ReconcilerOptions extends RepairParts {
  /** Of the role sluice_watchdog, which knows the names of all tenants. */
  readonly pool: Pool;
  /** Same role as the pool's; for LISTEN. */
  readonly connectionString: string;
  readonly engine: Pick<Engine, 'describeWorkflow'>;
  readonly evidence: Pick<EvidenceStore, 'has' | 'get'>;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Seconds between rounds; a repair that people ask for begins one at once. */
  readonly periodSeconds: number;
}

/** A repair shows soon after it was done. */
const AFTER_REPAIR_SECONDS = 2;

/**
 * Compares workflows, records, agents and archive of each tenant, tells what disagrees, and repairs what is to be repaired
 * by rule or because somebody asked for it. Several at once do no harm: each repair looks at the records again.
 */
export function startReconciler(options: ReconcilerOptions): Relay {
  const { logger, periodSeconds, workerPool, engine } = options;
  const stopping = new AbortController();
  const sources: FactSources = {
    workerPool,
    engine,
    checkHistoryFiles: createHistoryFileCheck(workerPool, options.evidence),
  };
  const loop = repeat(
    async () => {
      let repaired = 0;
      await forEachTenant(options.pool, stopping.signal, async (tenantId) => {
        if (await reconcileTenant(options, sources, tenantId, stopping.signal)) repaired += 1;
      });
      return (repaired > 0 ? Math.min(AFTER_REPAIR_SECONDS, periodSeconds) : periodSeconds) * 1000;
    },
    (error, failures) => logger.warn({ err: error, failures }, 'reconciler: the round failed'),
  );
  const listener = createListener({
    connectionString: options.connectionString,
    channels: [RECONCILE_CHANNEL],
    applicationName: 'sluice-reconcile-listener',
    onNotify: () => loop.wake(),
    onConnectionError: (error) => logger.warn({ err: error }, 'reconciler: listening was lost'),
  });
  return {
    stop: async () => {
      stopping.abort();
      await loop.stop();
      await listener.close();
    },
  };
}

/** One look at a tenant; true when something was repaired whose end is to be seen soon. */
async function reconcileTenant(
  options: ReconcilerOptions,
  sources: FactSources,
  tenantId: string,
  stopping: AbortSignal,
): Promise<boolean> {
  const { workerPool, logger, metrics } = options;
  const facts = await gatherFacts(sources, tenantId, stopping);
  if (stopping.aborted) return false;
  const found = findDiscrepancies(facts);
  if (found.length > MOST_DISCREPANCIES) {
    logger.error({ tenantId, found: found.length }, 'reconciler: too many discrepancies to show');
  }
  const { raised, all } = await withTenant(workerPool, tenantId, async (tx) => {
    const change = await replaceDiscrepancies(tx, found.slice(0, MOST_DISCREPANCIES));
    for (const one of change.raised) {
      await recordEvent(tx, 'discrepancy.raised', one, {
        message: one.message,
        action: one.action,
      });
    }
    for (const one of change.cleared) await recordEvent(tx, 'discrepancy.cleared', one, {});
    await noteReconciliation(tx);
    return { raised: change.raised, all: await listDiscrepancies(tx) };
  });
  const seen = metrics?.counter('sluice_discrepancies_total', 'Discrepancies found', ['code']);
  for (const { code, subject, message } of raised) {
    seen?.inc({ code });
    logger.warn({ tenantId, code, subject }, `reconciler: ${message}`);
  }
  const isNew = new Set(raised.map(({ discrepancyId }) => discrepancyId));
  let isRepaired = false;
  for (const one of all) {
    const isAsked = one.repairRequestedAt !== null;
    if (stopping.aborted || !(isAsked || one.action === 'repair')) continue;
    const isDone = await repair(options, tenantId, one, isAsked || isNew.has(one.discrepancyId));
    // One that is tried round after round waits for the next one.
    if (isDone && (isAsked || isNew.has(one.discrepancyId))) isRepaired = true;
  }
  return isRepaired;
}

async function repair(
  options: ReconcilerOptions,
  tenantId: string,
  discrepancy: DiscrepancyRecord,
  isTold: boolean,
): Promise<boolean> {
  const { workerPool, logger } = options;
  const { code, subject, discrepancyId, repairRequestedBy } = discrepancy;
  try {
    const isDone = await repairDiscrepancy(options, tenantId, discrepancy);
    await withTenant(workerPool, tenantId, async (tx) => {
      await noteRepair(tx, discrepancyId, null);
      if (!isDone || !isTold) return;
      const by = repairRequestedBy === null ? {} : { requestedBy: repairRequestedBy };
      await recordEvent(tx, 'discrepancy.repaired', discrepancy, by);
    });
    if (isDone && isTold) logger.info({ tenantId, code, subject }, 'reconciler: repaired');
    return isDone;
  } catch (error) {
    logger.error({ err: error, tenantId, code, subject }, 'reconciler: the repair failed');
    const text = String((error as { message?: unknown } | null)?.message ?? error);
    await withTenant(workerPool, tenantId, (tx) => noteRepair(tx, discrepancyId, text));
    return false;
  }
}

async function recordEvent(
  tx: Tx,
  type: EventType,
  { code, subject, detail }: DiscrepancyRecord,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  await insertEvent(tx, {
    type,
    actor: 'system:watchdog',
    subject,
    promotionId: promotionOf(subject, detail),
    data: { code, ...data },
    traceId: null,
  });
}

/** The promotion whose timeline tells of it; null where it belongs to none. */
function promotionOf(subject: string, detail: Readonly<Record<string, unknown>>): string | null {
  if (subject.startsWith('promotion:')) return subject.slice('promotion:'.length);
  return typeof detail['promotion'] === 'string' ? detail['promotion'] : null;
}
