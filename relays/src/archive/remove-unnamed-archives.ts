import { forgetUnnamedArchive, listUnnamedArchives, withTenant } from '@sluice/persistence';
import { forEachTenant } from '../each-tenant.ts';
import type { ExpiryParts } from './expire-histories.ts';

/**
 * Removes the encrypted files that an archiver noted and never came to name, because it died or failed on the way. The file
 * goes first: whoever dies then does the rest at the next pass.
 * @param stopping ends the pass early
 * @returns how many
 * @throws the first error, after the other tenants had their turn
 */
export async function removeUnnamedArchives(
  parts: ExpiryParts,
  stopping: AbortSignal,
): Promise<number> {
  let removed = 0;
  await forEachTenant(parts.pool, stopping, async (tenantId) => {
    removed += await removeOf(parts, tenantId, stopping);
  });
  return removed;
}

async function removeOf(
  { workerPool, evidence, logger }: ExpiryParts,
  tenantId: string,
  stopping: AbortSignal,
): Promise<number> {
  let removed = 0;
  // One batch a pass: there are few, and the next pass takes the rest.
  for (const digest of await withTenant(workerPool, tenantId, (tx) => listUnnamedArchives(tx))) {
    if (stopping.aborted) break;
    await evidence.remove(digest);
    const isFirst = await withTenant(workerPool, tenantId, (tx) =>
      forgetUnnamedArchive(tx, digest),
    );
    if (isFirst) removed += 1;
  }
  if (removed > 0) logger.info({ tenantId, removed }, 'files of unfinished archiving removed');
  return removed;
}
