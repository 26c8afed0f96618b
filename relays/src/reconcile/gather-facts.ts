import type { ReconcileFacts, WorkflowFact } from '@sluice/domain';
import {
  listPendingStarts,
  type Pool,
  type ReconcileRecords,
  readReconcileRecords,
  withTenant,
} from '@sluice/persistence';
import {
  promotionWorkflowId,
  releaseRequestWorkflowId,
  settlementWorkflowId,
} from '@sluice/temporal-contract';
import type { Engine } from '../engine.ts';
import { inLanes, type Round } from '../in-lanes.ts';
import type { CheckHistoryFiles } from './history-files.ts';

/** Where facts come from. */
export interface FactSources {
  /** Of the role sluice_worker. */
  readonly workerPool: Pool;
  readonly engine: Pick<Engine, 'describeWorkflow'>;
  readonly checkHistoryFiles: CheckHistoryFiles;
}

/**
 * Asks records, engine, agents' words and archive about one tenant, in the order that {@link ReconcileFacts} wants.
 * @throws when the engine or the records could not be asked: nothing is concluded from half of the facts
 */
export async function gatherFacts(
  { workerPool, engine, checkHistoryFiles }: FactSources,
  tenantId: string,
  stopping: AbortSignal,
): Promise<ReconcileFacts> {
  const readAll = (): Promise<ReconcileRecords> =>
    withTenant(workerPool, tenantId, readReconcileRecords, {
      isolation: 'repeatable read',
      readOnly: true,
    });
  const pending = await withTenant(workerPool, tenantId, listPendingStarts, { readOnly: true });
  const round: Round = { stopping, errors: [] };
  const workflows = new Map<string, WorkflowFact>();
  const look = async (workflowId: string): Promise<void> => {
    const { state, closedAt } = await engine.describeWorkflow(workflowId);
    workflows.set(workflowId, { state, closedAt });
  };
  await inLanes(workflowsOf(tenantId, await readAll()), look, round);
  if (round.errors.length > 0) throw round.errors[0];
  const histories = await checkHistoryFiles(tenantId);
  const records = await readAll();
  const ofPromotion = (promotionId: string) => ({
    promotionId,
    workflowId: promotionWorkflowId(tenantId, promotionId),
    settlementId: settlementWorkflowId(tenantId, promotionId),
  });
  return {
    ...records,
    workflows,
    pendingStarts: new Set(pending),
    promotions: records.promotions.map((one) => ({ ...one, ...ofPromotion(one.promotionId) })),
    endedHolders: records.endedHolders.map((one) => ({ ...one, ...ofPromotion(one.promotionId) })),
    releaseRequests: records.releaseRequests.map((one) => ({
      ...one,
      workflowId: releaseRequestWorkflowId(tenantId, one.requestId),
    })),
    histories,
  };
}

function workflowsOf(tenantId: string, records: ReconcileRecords): readonly string[] {
  const promotions = [...records.promotions, ...records.endedHolders];
  return [
    ...new Set([
      ...promotions.flatMap(({ promotionId }) => [
        promotionWorkflowId(tenantId, promotionId),
        settlementWorkflowId(tenantId, promotionId),
      ]),
      ...records.releaseRequests.map(({ requestId }) =>
        releaseRequestWorkflowId(tenantId, requestId),
      ),
      ...records.unarchived.flatMap(({ workflowId, lostAt }) =>
        lostAt === null ? [workflowId] : [],
      ),
    ]),
  ];
}
