import type { EngineHistory, HistoriesAnswer } from '@sluice/graphql';
import {
  type createTemporalClient,
  encodeHistory,
  fetchHistory,
  listRuns,
  MAX_HISTORY_BYTES,
} from '@sluice/temporal-client';
import {
  type PromotionRef,
  promotionWorkflowId,
  settlementWorkflowId,
} from '@sluice/temporal-contract';

/**
 * Every run of a promotion's workflow and of its settlement that the engine knows, with its history; 64 MiB together at most.
 * @throws what the engine answers; {@link isTooLarge} for one history that is larger than any may be
 */
export async function readHistories(
  client: Awaited<ReturnType<typeof createTemporalClient>>,
  { tenantId, promotionId }: PromotionRef,
  except: readonly string[],
): Promise<HistoriesAnswer> {
  const runs: EngineHistory[] = [];
  let left = MAX_HISTORY_BYTES;
  for (const id of [promotionWorkflowId, settlementWorkflowId]) {
    const workflowId = id(tenantId, promotionId);
    for (const { runId } of await listRuns(client, workflowId)) {
      if (except.includes(runId)) continue;
      const history = await fetchHistory(client, { workflowId, runId });
      left -= encodeHistory(history).length;
      if (left < 0) {
        const message = `The runs of ${workflowId} have more than ${MAX_HISTORY_BYTES} bytes together; they are archived when they have closed.`;
        return { kind: 'too-large', message };
      }
      runs.push({ workflowId, runId, history });
    }
  }
  return { kind: 'histories', runs };
}

/** One history is larger than any that is read. */
export function isTooLarge(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'history-too-large';
}
