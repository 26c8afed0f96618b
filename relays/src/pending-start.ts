import type { Queryable } from '@sluice/persistence';

/**
 * True while the start of this workflow is itself undelivered.
 * @param pool of the role sluice_relay
 */
export async function isStartPending(
  pool: Queryable,
  tenantId: string,
  workflowId: string,
): Promise<boolean> {
  const { rows } = await pool.query<{ pending: boolean }>(
    `select exists (select from sluice.outbox
       where tenant_id = $1 and kind = 'start-workflow' and delivered_at is null
         and workflow_id = $2) as pending`,
    [tenantId, workflowId],
  );
  return rows[0]?.pending === true;
}
