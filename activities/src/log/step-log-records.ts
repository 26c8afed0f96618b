import {
  appendLogChunks,
  closeStepLog,
  insertEvidence,
  listLogChunksAfter,
  listOpenStepLogs,
  type OpenStepLogs,
  openStepLog,
  type Pool,
  type StepLogChunk,
  type StepLogKey,
  type StepLogRef,
  sumStepLogs,
  type Tx,
  withTenant,
} from '@sluice/persistence';

/** Rows of one reading. */
const CHUNKS_A_READ = 32;

/** What became of a log whose content is kept by digest. */
export interface KeptLog {
  readonly digest: string;
  readonly mediaType: string;
  /** Of what is kept. */
  readonly bytes: number;
  /** Of what was left out. */
  readonly truncatedBytes: number;
}

/** Records of one tenant's step logs; each call is a transaction. */
export interface StepLogRecords {
  /** Opens a log with its first chunks; gives its attempt. */
  open(key: StepLogKey, chunks: readonly StepLogChunk[]): Promise<number>;
  /** Stores chunks, once each; false and nothing when the log is closed. */
  append(log: StepLogRef, chunks: readonly StepLogChunk[]): Promise<boolean>;
  /** Some chunks from a byte on, in order; none at the end. */
  list(log: StepLogRef, afterOffset: number): Promise<readonly StepLogChunk[]>;
  /** Names the kept content and deletes the chunks; false when that was done before. */
  close(log: StepLogRef, kept: KeptLog): Promise<boolean>;
  /** Opens and closes at once; gives its attempt. */
  store(key: StepLogKey, kept: KeptLog): Promise<number>;
  /** Bytes of all logs of a promotion so far. */
  sum(promotionId: string): Promise<number>;
  /** Some of the logs that were never closed, in a fixed order, after one or from the first; none at the end. */
  listOpen(open: OpenStepLogs): Promise<readonly StepLogRef[]>;
}

/** The records in the database. */
export function createStepLogRecords(pool: Pool, tenantId: string): StepLogRecords {
  const inTx = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => withTenant(pool, tenantId, work);
  const close = async (tx: Tx, log: StepLogRef, kept: KeptLog): Promise<boolean> => {
    const { digest, mediaType, bytes, truncatedBytes } = kept;
    // The step's row before the blob's, as where a log is opened and closed at once: many write the same, and would wait for each other.
    const isClosed = await closeStepLog(tx, log, { digest, bytes, truncatedBytes });
    await insertEvidence(tx, { digest, mediaType, size: bytes });
    return isClosed;
  };
  return {
    open: (key, chunks) =>
      inTx(async (tx) => {
        const attempt = await openStepLog(tx, key);
        await appendLogChunks(tx, { ...key, attempt }, chunks);
        return attempt;
      }),
    append: (log, chunks) => inTx((tx) => appendLogChunks(tx, log, chunks)),
    list: (log, afterOffset) =>
      inTx((tx) => listLogChunksAfter(tx, log, { afterOffset, limit: CHUNKS_A_READ })),
    close: (log, kept) => inTx((tx) => close(tx, log, kept)),
    store: (key, kept) =>
      inTx(async (tx) => {
        const attempt = await openStepLog(tx, key);
        await close(tx, { ...key, attempt }, kept);
        return attempt;
      }),
    sum: (promotionId) => inTx((tx) => sumStepLogs(tx, promotionId)),
    listOpen: (open) => inTx((tx) => listOpenStepLogs(tx, open)),
  };
}
