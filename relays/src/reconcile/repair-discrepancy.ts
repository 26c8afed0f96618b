import type { DiscrepancyCode } from '@sluice/domain';
import {
  type DiscrepancyRecord,
  enqueueOutbox,
  getReleaseRequest,
  insertEvent,
  lookNow,
  type Pool,
  reopenEmptyArchive,
  settleReleaseRequest,
  withTenant,
} from '@sluice/persistence';
import { abandonPromotion } from '../abandon-promotion.ts';
import type { Engine } from '../engine.ts';
import type { ReleaseLeaseOfEnded } from '../watchdog.ts';

/** What repairs need. */
export interface RepairParts {
  /** Of the role sluice_worker. */
  readonly workerPool: Pool;
  readonly engine: Pick<Engine, 'describeWorkflow'>;
  readonly releaseLeaseOfEnded: ReleaseLeaseOfEnded;
}

type Repair = (
  parts: RepairParts,
  tenantId: string,
  discrepancy: DiscrepancyRecord,
) => Promise<boolean>;

/** Each looks at the records again: what agrees by now is left alone. */
const REPAIRS: Readonly<Partial<Record<DiscrepancyCode, Repair>>> = {
  'promotion-abandoned': ({ workerPool, engine }, tenantId, { subject }) => {
    const promotionId = subject.slice('promotion:'.length);
    const find = async (id: string) => (await engine.describeWorkflow(id)).state;
    return abandonPromotion(workerPool, find, { tenantId, promotionId });
  },

  'lease-of-ended': ({ releaseLeaseOfEnded }, tenantId, { subject, detail }) =>
    releaseLeaseOfEnded({
      tenantId,
      promotionId: subject.slice('promotion:'.length),
      resource: String(detail['resource']),
    }),

  'workflow-outlives-promotion': ({ workerPool }, tenantId, { detail }) =>
    withTenant(workerPool, tenantId, async (tx) => {
      const workflowId = String(detail['workflowId']);
      const reason = `Promotion ${String(detail['promotion'])} has ended and is sealed; its workflow had nothing left to do.`;
      await enqueueOutbox(tx, { kind: 'terminate-workflow', body: { workflowId, reason } });
      return true;
    }),

  'release-request-abandoned': ({ workerPool }, tenantId, { subject, detail }) => {
    const requestId = subject.slice('release-request:'.length);
    const code = 'release-request-abandoned';
    const what = detail['workflow'] === 'closed' ? 'was over' : 'was not known to the engine';
    const message = `The workflow of this request ${what} before it had an answer; ask for the release again.`;
    return withTenant(workerPool, tenantId, async (tx) => {
      const outcome = { state: 'refused' as const, code, message };
      if (!(await settleReleaseRequest(tx, requestId, outcome))) return false;
      const { body, traceId } = await getReleaseRequest(tx, requestId);
      const data = { name: body['name'] ?? null, version: body['version'] ?? null, code };
      const actor = 'system:watchdog';
      await insertEvent(tx, { type: 'release.refused', actor, subject, data, traceId });
      return true;
    });
  },

  'history-missing': ({ workerPool }, tenantId, { detail }) =>
    withTenant(workerPool, tenantId, async (tx) => {
      const workflowId = String(detail['workflowId']);
      if (detail['archivedAt'] !== undefined) return reopenEmptyArchive(tx, workflowId);
      await lookNow(tx, workflowId);
      return true;
    }),
};

/**
 * Repairs one discrepancy as its rule says.
 * @returns false when there was nothing left to repair
 * @throws when it could not be repaired, and when it has no repair
 */
export function repairDiscrepancy(
  parts: RepairParts,
  tenantId: string,
  discrepancy: DiscrepancyRecord,
): Promise<boolean> {
  const repair = REPAIRS[discrepancy.code];
  if (repair !== undefined) return repair(parts, tenantId, discrepancy);
  return Promise.reject(
    new Error(`There is no repair of ${discrepancy.code}: ${discrepancy.remedy}`),
  );
}
