import { setTimeout as delay } from 'node:timers/promises';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { Logger } from '@sluice/observability';
import {
  MAX_LOG_CHUNK_BYTES,
  type Pool,
  type StepLogKey,
  type StepLogRef,
} from '@sluice/persistence';
import { LogMasker } from '@sluice/sandbox';
import type { ActivityDependencies } from '../dependencies.ts';
import type { StepOutput } from '../step/step-type.ts';
import {
  type KeepLogParts,
  keepEarlierAttempts,
  keepStepLog,
  STEP_LOG_MEDIA_TYPE,
  tellProblem,
} from './keep-step-log.ts';
import { PendingText } from './pending-text.ts';
import { ReadableText } from './readable-text.ts';
import { createStepLogRecords, type StepLogRecords } from './step-log-records.ts';

/** What is kept of one execution's log. Bytes. */
export const STEP_LOG_BYTES = 8 * 1024 * 1024;

/** What is kept of all logs of a promotion together, about: steps that write at the same time may go over it. Bytes. */
export const PROMOTION_LOG_BYTES = 256 * 1024 * 1024;

/** What is kept of a log whatever the others have taken. Bytes. */
const LEAST_LOG_BYTES = 1024;
/** So much may be written until it is asked again how much room is left. Bytes. */
const ROOM_ASKED_AFTER = 512 * 1024;

const FLUSH_MS = 500;
/** After the database said no. */
const RETRY_MS = 5000;
const CLOSE_DEADLINE_MS = 15_000;
/** Half a megabyte in one transaction. */
const CHUNKS_A_WRITE = 16;

/** A step's log while it runs. */
export interface StepLog extends StepOutput {
  /** Keeps the whole log by its digest. Never throws, and takes no longer than 15 s: a log is no reason for a step to fail. */
  close(): Promise<void>;
}

/** What a step's log is written through. */
export interface StepLogParts {
  readonly pool: Pool;
  readonly evidence: EvidenceStore;
  /** Told when the log cannot be kept. */
  readonly logger: Logger;
  readonly observe?: ActivityDependencies['observe'];
  /** In the place of those on the pool, for tests. */
  readonly records?: StepLogRecords;
}

/** What may be said of a log. */
export interface StepLogOptions {
  /** {@link STEP_LOG_BYTES} when absent. */
  readonly limitBytes?: number;
  /** {@link PROMOTION_LOG_BYTES} when absent. */
  readonly promotionLimitBytes?: number;
  /** Between what is written and its row. Milliseconds; 500 when absent. */
  readonly flushMilliseconds?: number;
}

/**
 * The log of one attempt of a step: what is written can be read after half a second, and lies in the evidence store at the end. A step that
 * writes nothing leaves nothing, one that ends at once leaves no chunks. It does not wait for the database, and holds at most its bound in
 * memory; what goes beyond is counted, and a line says so.
 */
export function createStepLog(
  { pool, records, ...parts }: StepLogParts,
  { tenantId, ...key }: StepLogKey & { readonly tenantId: string },
  options: StepLogOptions = {},
): StepLog {
  return new Writer(
    { ...parts, records: records ?? createStepLogRecords(pool, tenantId) },
    key,
    options,
  );
}

class Writer implements StepLog {
  readonly #parts: KeepLogParts;
  readonly #key: StepLogKey;
  readonly #limit: number;
  readonly #promotionLimit: number;
  readonly #pause: number;
  readonly #masker = new LogMasker([]);
  readonly #text = new ReadableText();
  readonly #pending: PendingText;
  #log: StepLogRef | undefined;
  #timer: NodeJS.Timeout | undefined;
  #storing: Promise<void> | undefined;
  #failed = false;
  /** A later attempt has taken it for one that died. */
  #lost = false;
  #closed = false;
  /** Bytes that it had when it was asked last how much room the promotion has. */
  #askedAt: number | undefined;
  /** The promotion's other logs left it less room than its own bound. */
  #isCrowdedOut = false;

  constructor(parts: KeepLogParts, key: StepLogKey, options: StepLogOptions) {
    this.#parts = parts;
    this.#key = key;
    this.#limit = options.limitBytes ?? STEP_LOG_BYTES;
    this.#promotionLimit = options.promotionLimitBytes ?? PROMOTION_LOG_BYTES;
    this.#pause = options.flushMilliseconds ?? FLUSH_MS;
    this.#pending = new PendingText(this.#limit);
  }

  write(chunk: string | Uint8Array): void {
    if (this.#closed || this.#lost) return;
    // An endless log costs nothing once it is full.
    if (this.#pending.isFull) this.#pending.drop(Buffer.byteLength(chunk));
    else this.#take(this.#masker.push(Buffer.from(chunk as Uint8Array)));
  }

  hide(secret: string): void {
    this.#masker.add(Buffer.from(secret));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    const timeUp = new AbortController();
    try {
      this.#pending.push(this.#text.push(this.#masker.end()));
      this.#pending.push(this.#text.end());
      // Most steps write nothing.
      if (this.#pending.bytes === 0 && this.#storing === undefined) return;
      const late = delay(CLOSE_DEADLINE_MS, undefined, { signal: timeUp.signal }).then(() => {
        throw new Error(`it took over ${CLOSE_DEADLINE_MS / 1000} s`);
      });
      await Promise.race([this.#keep(), late]);
    } catch (error) {
      tellProblem(this.#parts, error);
    } finally {
      timeUp.abort();
    }
  }

  #take(bytes: Buffer): void {
    this.#pending.push(this.#text.push(bytes));
    if (this.#pending.size >= MAX_LOG_CHUNK_BYTES && !this.#failed) void this.#store();
    else if (this.#pending.size > 0) this.#schedule();
  }

  /** How much is missing. */
  #end(): void {
    const { dropped } = this.#pending;
    if (dropped === 0) return;
    const bound = this.#isCrowdedOut
      ? `of all logs of a promotion about ${this.#promotionLimit}`
      : `of a step's log ${this.#limit}`;
    this.#pending.finish(`\n[sluice: ${dropped} bytes are left out here; ${bound} are kept]\n`);
  }

  /** Asks now and then how much room the promotion's other logs have left. A log of a line or two is kept without asking. */
  async #askRoom(): Promise<void> {
    const { bytes, cut } = this.#pending;
    const isDue =
      this.#askedAt === undefined
        ? bytes > LEAST_LOG_BYTES
        : bytes - this.#askedAt >= ROOM_ASKED_AFTER;
    if (!isDue || this.#isCrowdedOut) return;
    const used = await this.#parts.records.sum(this.#key.promotionId);
    this.#askedAt = bytes;
    const limit = Math.max(LEAST_LOG_BYTES, cut + this.#promotionLimit - used);
    if (limit >= this.#limit || limit >= this.#pending.bytes + ROOM_ASKED_AFTER) return;
    this.#isCrowdedOut = true;
    this.#pending.restrict(limit);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const pause = this.#failed ? RETRY_MS : this.#pause;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#store();
    }, pause);
    this.#timer.unref();
  }

  /** Stores what there is, one call after the other; what could not be stored is tried again later. */
  #store(): Promise<void> {
    this.#storing ??= this.#storeAll()
      .then(() => {
        this.#failed = false;
      })
      .catch((error: unknown) => {
        // One line for each time that it goes wrong, not for each try.
        if (!this.#failed) tellProblem(this.#parts, error);
        this.#failed = true;
      })
      .finally(() => {
        this.#storing = undefined;
        if (this.#failed && !this.#lost) this.#schedule();
      });
    return this.#storing;
  }

  async #storeAll(): Promise<void> {
    const { records } = this.#parts;
    for (;;) {
      if (!this.#closed) await this.#askRoom();
      const chunks = this.#pending.chunks().slice(0, CHUNKS_A_WRITE);
      if (chunks.length === 0) return;
      if (this.#log === undefined) {
        this.#log = { ...this.#key, attempt: await records.open(this.#key, chunks) };
        this.#pending.sent(chunks.length);
        await keepEarlierAttempts(this.#parts, this.#log);
        continue;
      }
      const isOpen = await records.append(this.#log, chunks);
      this.#pending.sent(chunks.length);
      if (!isOpen) {
        this.#lost = true;
        throw new Error('a later attempt has closed it');
      }
    }
  }

  async #keep(): Promise<void> {
    await this.#storing;
    if (this.#lost) return;
    // Where the database is away, storing it says so.
    await this.#askRoom().catch(() => undefined);
    this.#end();
    const { bytes, dropped } = this.#pending;
    if (bytes === 0) return;
    if (this.#log === undefined && !this.#failed) return this.#keepWhole();
    await this.#store();
    if (this.#log === undefined || this.#failed) return;
    await keepStepLog(this.#parts, this.#log, dropped);
  }

  /** A log that is short in time needs no chunks. */
  async #keepWhole(): Promise<void> {
    const { evidence, records } = this.#parts;
    const text = this.#pending
      .chunks()
      .map((chunk) => chunk.text)
      .join('');
    const { digest, size } = await evidence.put(text, { maxBytes: this.#pending.bytes });
    const attempt = await records.store(this.#key, {
      digest,
      mediaType: STEP_LOG_MEDIA_TYPE,
      bytes: size,
      truncatedBytes: this.#pending.dropped,
    });
    await keepEarlierAttempts(this.#parts, { ...this.#key, attempt });
  }
}
