import { HISTORY_MEDIA_TYPE } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  bundleDigestsOfBuilds,
  type ClaimedExecution,
  forgetUnnamedArchive,
  insertEvent,
  insertEvidence,
  insertHistory,
  type Pool,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { composeHistoryStatement, type SignerClient, statementDigest } from '@sluice/signing';
import {
  buildIdsOf,
  type CodecKeys,
  headOf,
  MAX_HISTORY_FILE_BYTES,
  sealHistory,
} from '@sluice/temporal-client';
import type { ArchiveEngine } from './archive-engine.ts';

/** Who archives, in events. */
export const ARCHIVER = 'system:archiver';

/** What a run is archived with. */
export interface ArchiveRunParts {
  /** Of the role sluice_worker. */
  readonly workerPool: Pool;
  readonly engine: Pick<ArchiveEngine, 'fetchHistory'>;
  readonly evidence: Pick<EvidenceStore, 'put' | 'remove'>;
  readonly signer: Pick<SignerClient, 'signHistory'>;
  readonly codecKeys: CodecKeys;
}

/** Which run, and what the records say of it. */
export interface ClosedRun
  extends Pick<ClaimedExecution, 'workflowId' | 'promotionId' | 'packetDigest' | 'traceId'> {
  readonly tenantId: string;
  readonly runId: string;
}

/**
 * Archives one closed run: its statement is signed, the encrypted file is noted as evidence and goes into the evidence store,
 * then row and event are written in one transaction. Whoever dies on the way leaves at most a noted file that no history names:
 * the next one begins again, and that file is removed a day later by the retention pass.
 * @returns false when another archiver was first: its file counts, this one's is removed
 * @throws what engine, store, signer and codec throw; a history that goes on is refused (`history-not-closed`)
 */
export async function archiveRun(parts: ArchiveRunParts, run: ClosedRun): Promise<boolean> {
  const { tenantId, workflowId, runId, promotionId, packetDigest, traceId } = run;
  const { workerPool, evidence } = parts;
  const history = await parts.engine.fetchHistory({ workflowId, runId });
  const bundles = await bundleDigestsOfBuilds(workerPool, buildIdsOf(history));
  const bundleDigestOf = (buildId: string): string | undefined => bundles.get(buildId);
  const head = headOf({ tenantId, workflowId, runId, history, bundleDigestOf });
  const file = await sealHistory({ history, head, keys: parts.codecKeys });
  const archiveDigest = digestOfBytes(file);
  // Signed before it is stored: while the signer is away, tries leave no files behind.
  const statement = composeHistoryStatement(head, { archiveDigest, packetDigest, promotionId });
  const { envelope } = await parts.signer.signHistory({ tenantId, statement });
  const signed = { statementDigest: statementDigest(envelope), envelope };
  // Noted before it is there: so no file is left that nothing names.
  const mediaType = HISTORY_MEDIA_TYPE;
  const noted = { digest: archiveDigest, mediaType, size: file.byteLength };
  await withTenant(workerPool, tenantId, (tx) => insertEvidence(tx, noted));
  const stored = { maxBytes: MAX_HISTORY_FILE_BYTES, expectedDigest: archiveDigest };
  const { size: archiveSize } = await evidence.put(file, stored);
  const isFirst = await withTenant(workerPool, tenantId, async (tx) => {
    const row = { ...head, ...signed, archiveDigest, archiveSize, packetDigest };
    if (!(await insertHistory(tx, row))) return false;
    const { status, eventCount: events, historyDigest } = head;
    await insertEvent(tx, {
      type: 'history.archived',
      actor: ARCHIVER,
      subject: `workflow:${workflowId}`,
      promotionId,
      data: {
        run: runId,
        status,
        events,
        history: historyDigest,
        archive: archiveDigest,
        packet: packetDigest,
        statement: signed.statementDigest,
      },
      traceId,
    });
    return true;
  });
  // No two files are alike, so this one is nobody else's.
  if (!isFirst) {
    await evidence.remove(archiveDigest);
    await withTenant(workerPool, tenantId, (tx) => forgetUnnamedArchive(tx, archiveDigest));
  }
  return isFirst;
}
