import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger } from '@sluice/observability';
import type { Pool, StepLogRef } from '@sluice/persistence';
import type { ActivityDependencies } from '../dependencies.ts';
import { errorMessageOf } from '../failures.ts';
import { createStepLogRecords, type StepLogRecords } from './step-log-records.ts';

/** Of a log in the evidence store: UTF-8. */
export const STEP_LOG_MEDIA_TYPE = 'text/plain';

/** What is kept of a log whatever its bound was. */
const MAX_KEPT_BYTES = 256 * 1024 * 1024;

/** What logs are kept through. */
export interface KeepLogParts {
  readonly records: StepLogRecords;
  readonly evidence: EvidenceStore;
  readonly logger: Logger;
  readonly observe?: ActivityDependencies['observe'];
}

/**
 * Puts a log's chunks into the evidence store and closes it.
 * @returns false when somebody else has closed it
 */
export async function keepStepLog(
  { records, evidence }: Pick<KeepLogParts, 'records' | 'evidence'>,
  log: StepLogRef,
  truncatedBytes: number,
): Promise<boolean> {
  const { digest, size } = await evidence.put(readChunks(records, log), {
    maxBytes: MAX_KEPT_BYTES,
  });
  const mediaType = STEP_LOG_MEDIA_TYPE;
  return records.close(log, { digest, mediaType, bytes: size, truncatedBytes });
}

async function* readChunks(records: StepLogRecords, log: StepLogRef): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (;;) {
    const chunks = await records.list(log, offset);
    if (chunks.length === 0) return;
    for (const { byteOffset, text } of chunks) {
      const bytes = Buffer.from(text);
      offset = byteOffset + bytes.length;
      yield bytes;
    }
  }
}

/**
 * Keeps the logs that attempts left open when their worker died. To be called when a promotion is sealed: nothing of it runs any more.
 * Never throws; what could not be kept stays as chunks.
 */
export async function keepOpenStepLogs(
  {
    pool,
    ...parts
  }: Omit<KeepLogParts, 'records'> & Partial<KeepLogParts> & { readonly pool: Pool },
  { tenantId, promotionId }: { readonly tenantId: string; readonly promotionId: string },
): Promise<void> {
  const { records = createStepLogRecords(pool, tenantId) } = parts;
  await keepWhere({ ...parts, records }, promotionId, undefined, () => true);
}

/** Keeps what earlier attempts of the same execution left. Never throws. */
export async function keepEarlierAttempts(parts: KeepLogParts, log: StepLogRef): Promise<void> {
  if (log.attempt === 1) return;
  await keepWhere(parts, log.promotionId, log.stepId, (open) => isEarlierAttempt(open, log));
}

function isEarlierAttempt(open: StepLogRef, log: StepLogRef): boolean {
  return (
    open.attempt < log.attempt &&
    open.round === log.round &&
    open.memberKey === log.memberKey &&
    open.stream === log.stream
  );
}

async function keepWhere(
  parts: KeepLogParts,
  promotionId: string,
  stepId: string | undefined,
  isWanted: (open: StepLogRef) => boolean,
): Promise<void> {
  let after: StepLogRef | undefined;
  try {
    for (;;) {
      // One that cannot be kept stays open: those behind it are read past it.
      const open = await parts.records.listOpen({ promotionId, stepId, after });
      after = open.at(-1);
      if (after === undefined) return;
      for (const log of open.filter(isWanted)) {
        await keepStepLog(parts, log, 0).catch((error) => tellProblem(parts, error));
      }
    }
  } catch (error) {
    tellProblem(parts, error);
  }
}

/** Logs and counts what went wrong with a log: it is no reason for a step to fail. */
export function tellProblem(
  { logger, observe }: Pick<KeepLogParts, 'logger' | 'observe'>,
  error: unknown,
): void {
  observe?.('stepLog', 'failed', 0);
  logger.warn({ err: error }, `the step's log could not be kept: ${errorMessageOf(error)}`);
}
