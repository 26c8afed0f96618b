import { listTenantIds, type Pool } from '@sluice/persistence';

/**
 * Does the work for one tenant after the other. One that fails holds up no other; the first failure is thrown at the end.
 * @param pool of the role sluice_watchdog, which knows the names of all tenants
 */
export async function forEachTenant(
  pool: Pool,
  stopping: AbortSignal,
  work: (tenantId: string) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  for (const tenantId of await listTenantIds(pool)) {
    if (stopping.aborted) break;
    await work(tenantId).catch((error: unknown) => errors.push(error));
  }
  if (errors.length > 0) throw errors[0];
}
