import { packetAwaitedUntil } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import {
  type ClaimedExecution,
  claimExecution,
  type DueExecutionRecord,
  deferExecution,
  findPromotion,
  insertEvent,
  listHistoriesOfWorkflow,
  markArchived,
  markLost,
  type Pool,
  withTenant,
} from '@sluice/persistence';
import type { WorkflowRun } from '@sluice/temporal-client';
import type { ArchiveEngine } from './archive-engine.ts';
import { ARCHIVER, type ArchiveRunParts, archiveRun } from './archive-run.ts';

/** What a workflow is archived with. */
export interface ArchiveParts extends ArchiveRunParts {
  readonly engine: ArchiveEngine;
  readonly logger: Logger;
}

/** What became of a look at one workflow. */
export type ArchiveOutcome =
  /** Every run of it is archived. */
  | 'archived'
  /** It runs, is about to start, or its packet is still to come. */
  | 'later'
  /** The engine had forgotten it. */
  | 'lost'
  /** Another archiver has it, or it is done. */
  | 'taken';

/** Others leave a claimed workflow alone for so long; many runs with long histories take a while. Seconds. */
const CLAIM_SECONDS = 120;

/** A workflow that the engine does not know is given up when it was asked for longer ago than this. Seconds. */
const LOST_SECONDS = 3600;

/** Bounds of the pause between two looks. Seconds. */
const PAUSES = { shortest: 1, first: 2, afterFailure: 5, longest: 60 };

/**
 * Archives every run of one workflow when it has closed, else puts the next look off: by as long as it has run until now, so
 * that the pauses double, and not for long once its promotion has ended.
 * @throws what stands in the way; the next look is put off then too
 */
export async function archiveExecution(
  parts: ArchiveParts,
  { tenantId, workflowId }: Pick<DueExecutionRecord, 'tenantId' | 'workflowId'>,
): Promise<ArchiveOutcome> {
  const { workerPool } = parts;
  const claim = await withTenant(workerPool, tenantId, (tx) =>
    claimExecution(tx, workflowId, CLAIM_SECONDS),
  );
  if (claim === undefined) return 'taken';
  try {
    const outcome = await archiveClaimed(parts, tenantId, claim);
    if (outcome === 'later') await defer(workerPool, tenantId, claim, pauseOf(claim));
    return outcome;
  } catch (error) {
    const pause = Math.max(pauseOf(claim), PAUSES.afterFailure);
    // When this fails too, the claim runs out.
    await defer(workerPool, tenantId, claim, pause).catch(() => undefined);
    throw error;
  }
}

async function archiveClaimed(
  parts: ArchiveParts,
  tenantId: string,
  claim: ClaimedExecution,
): Promise<ArchiveOutcome> {
  // What is asked for later than the claim changes the row, and then nothing is noted at the end.
  if (claim.isStartPending) return 'later';
  const { workflowId } = claim;
  const state = await parts.engine.findWorkflowState(workflowId);
  if (state === 'running') return 'later';
  if (state === 'unknown') return loseExecution(parts, tenantId, claim);
  const runs = await parts.engine.listRuns(workflowId);
  if (runs.length === 0 || runs.some(({ status }) => status === 'running')) return 'later';
  const { packetDigest, endedAt } = await readEnd(parts.workerPool, tenantId, claim);
  const awaitsPacket = claim.promotionId !== null && packetDigest === null;
  // Also while a time of close is not known yet: that compares with nothing.
  if (awaitsPacket && !(Date.now() >= packetAwaitedUntil(closeOf(runs), endedAt))) return 'later';

  const known = await withTenant(parts.workerPool, tenantId, (tx) =>
    listHistoriesOfWorkflow(tx, workflowId),
  );
  const archived = new Set(known.map(({ runId }) => runId));
  for (const { runId, status } of runs.filter((run) => !archived.has(run.runId))) {
    const { promotionId, traceId } = claim;
    const run = { tenantId, workflowId, runId, promotionId, packetDigest, traceId };
    const facts = { tenantId, promotionId, workflowId, runId, status };
    const isFirst = await archiveRun(parts, run);
    parts.logger.info(facts, isFirst ? 'history archived' : 'history was archived meanwhile');
  }
  const isDone = await withTenant(parts.workerPool, tenantId, (tx) =>
    markArchived(tx, workflowId, claim),
  );
  return isDone ? 'archived' : 'taken';
}

/** Packet and end of its promotion. Read after the runs: what sealed it has committed before its workflow closed. */
async function readEnd(
  workerPool: Pool,
  tenantId: string,
  { promotionId, packetDigest }: ClaimedExecution,
): Promise<{ readonly packetDigest: string | null; readonly endedAt: string | null }> {
  if (promotionId === null || packetDigest !== null) return { packetDigest, endedAt: null };
  const promotion = await withTenant(workerPool, tenantId, (tx) => findPromotion(tx, promotionId));
  return {
    packetDigest: promotion?.packetDigest ?? null,
    endedAt: promotion?.endedAt ?? null,
  };
}

function closeOf(runs: readonly WorkflowRun[]): string {
  return runs
    .map(({ closedAt }) => closedAt ?? '')
    .reduce((last, one) => (one > last ? one : last));
}

async function loseExecution(
  { workerPool, logger }: ArchiveParts,
  tenantId: string,
  claim: ClaimedExecution,
): Promise<ArchiveOutcome> {
  const { workflowId, promotionId, traceId, endedSeconds, ageSeconds } = claim;
  if (endedSeconds === null && ageSeconds < LOST_SECONDS) return 'later';
  const isLost = await withTenant(workerPool, tenantId, async (tx) => {
    if (!(await markLost(tx, workflowId, claim))) return false;
    const known = await listHistoriesOfWorkflow(tx, workflowId);
    await insertEvent(tx, {
      type: 'history.lost',
      actor: ARCHIVER,
      subject: `workflow:${workflowId}`,
      promotionId,
      data: { workflowType: claim.workflowType, archivedRuns: known.length },
      traceId,
    });
    return true;
  });
  if (!isLost) return 'taken';
  logger.error(
    { tenantId, promotionId, workflowId },
    'history lost: the engine does not know this workflow any more, and it was not archived',
  );
  return 'lost';
}

function pauseOf({ ageSeconds, endedSeconds }: ClaimedExecution): number {
  if (endedSeconds !== null) {
    return Math.min(Math.max(endedSeconds, PAUSES.shortest), PAUSES.longest);
  }
  return Math.min(Math.max(ageSeconds, PAUSES.first), PAUSES.longest);
}

async function defer(
  workerPool: Pool,
  tenantId: string,
  { workflowId }: ClaimedExecution,
  seconds: number,
): Promise<void> {
  await withTenant(workerPool, tenantId, (tx) => deferExecution(tx, workflowId, seconds));
}
