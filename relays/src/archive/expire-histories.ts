import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger } from '@sluice/observability';
import {
  expireHistory,
  insertEvent,
  listExpiredHistories,
  type Pool,
  withTenant,
} from '@sluice/persistence';
import { forEachTenant } from '../each-tenant.ts';
import { ARCHIVER } from './archive-run.ts';

/** What histories are expired with. */
export interface ExpiryParts {
  /** Of the role sluice_watchdog, which names the tenants. */
  readonly pool: Pool;
  /** Of the role sluice_worker. */
  readonly workerPool: Pool;
  readonly evidence: Pick<EvidenceStore, 'remove'>;
  readonly logger: Logger;
}

/**
 * Removes the files of histories whose time is over by their tenant's rules; row and statement stay. The file goes first:
 * whoever dies then does the rest at the next pass.
 * @param stopping ends the pass early
 * @returns how many
 * @throws the first error, after the other tenants had their turn
 */
export async function expireHistories(parts: ExpiryParts, stopping: AbortSignal): Promise<number> {
  let expired = 0;
  await forEachTenant(parts.pool, stopping, async (tenantId) => {
    expired += await expireOf(parts, tenantId, stopping);
  });
  return expired;
}

async function expireOf(
  { workerPool, evidence, logger }: ExpiryParts,
  tenantId: string,
  stopping: AbortSignal,
): Promise<number> {
  let expired = 0;
  while (!stopping.aborted) {
    const due = await withTenant(workerPool, tenantId, (tx) => listExpiredHistories(tx));
    for (const history of due) {
      if (stopping.aborted) break;
      const { workflowId, runId, promotionId, archiveDigest, days } = history;
      await evidence.remove(archiveDigest);
      const isFirst = await withTenant(workerPool, tenantId, async (tx) => {
        if (!(await expireHistory(tx, history))) return false;
        await insertEvent(tx, {
          type: 'history.expired',
          actor: ARCHIVER,
          subject: `workflow:${workflowId}`,
          promotionId,
          data: { run: runId, archive: archiveDigest, days },
          traceId: null,
        });
        return true;
      });
      if (isFirst) expired += 1;
    }
    if (due.length === 0) break;
  }
  if (expired > 0) logger.info({ tenantId, expired }, 'histories expired by rule');
  return expired;
}
