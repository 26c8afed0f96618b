import type { EvidenceStore } from '@sluice/evidence-store';
import { listLogChunksAfter, MAX_LOG_CHUNK_BYTES, type StepLogRecord } from '@sluice/persistence';
import type { InTenant } from '../common/in-tenant.ts';

/** A kept log is never larger: whoever writes one stops far below. */
export const MAX_LOG_BYTES = 64 * 1024 * 1024;

/** A piece of a log, whole characters. */
export interface LogText {
  /** Of its first byte. */
  readonly offset: number;
  readonly text: string;
  /** Of the byte behind it. */
  readonly nextOffset: number;
}

/** Where logs are read. */
export interface LogSources {
  readonly inTenant: InTenant;
  readonly evidence: EvidenceStore;
}

/** Reads one log, piece after piece. */
export interface LogReader {
  /**
   * At most so many bytes of the log from a byte on: of the kept text when it has ended, else of what was written so far. A log that ends
   * in this very moment gives nothing: read its record again.
   * @param maxBytes at least the four of one character
   */
  read(offset: number, maxBytes: number): Promise<LogText>;
}

/**
 * Opens a log. The text of one that has ended is fetched and checked as a whole, whatever piece of it is wanted: it is fetched once, and
 * once more only for a piece that is not within what was held.
 * @param holdBytes so much of it stays in memory behind the beginning of a piece; all of it when absent
 */
export function openLog(
  { inTenant, evidence }: LogSources,
  log: StepLogRecord,
  holdBytes = MAX_LOG_BYTES,
): LogReader {
  if (log.digest === null) {
    return { read: (offset, maxBytes) => readWritten(inTenant, log, offset, maxBytes) };
  }
  const { digest } = log;
  let held: HeldText | undefined;
  return {
    async read(offset, maxBytes) {
      const from = Math.max(0, offset);
      if (held === undefined || !isWithin(held, from, maxBytes)) {
        const bytes = await evidence.getBytes(digest, { maxBytes: MAX_LOG_BYTES });
        const to = Math.min(bytes.length, from + Math.max(holdBytes, maxBytes + CHARACTER_BYTES));
        // A copy: a part of the buffer would hold all of it.
        const part = to - from < bytes.length ? bytes.slice(Math.min(from, to), to) : bytes;
        held = { base: part === bytes ? 0 : Math.min(from, to), bytes: part, total: bytes.length };
      }
      return pieceOf(held.bytes, held.base, offset, maxBytes);
    },
  };
}

/** The bytes of a character at most. */
const CHARACTER_BYTES = 4;

/** A part of a kept text. */
interface HeldText {
  /** Place of its first byte in the log. */
  readonly base: number;
  readonly bytes: Uint8Array;
  /** Bytes of the whole text. */
  readonly total: number;
}

function isWithin({ base, bytes, total }: HeldText, from: number, maxBytes: number): boolean {
  const end = base + bytes.length;
  return from >= base && (end === total || from + maxBytes + CHARACTER_BYTES <= end);
}

async function readWritten(
  inTenant: InTenant,
  log: StepLogRecord,
  offset: number,
  maxBytes: number,
): Promise<LogText> {
  const limit = Math.ceil(maxBytes / MAX_LOG_CHUNK_BYTES) + 1;
  const chunks = await inTenant((tx) =>
    listLogChunksAfter(tx, log, { afterOffset: offset, limit }),
  );
  const [first] = chunks;
  if (first === undefined) return { offset, text: '', nextOffset: offset };
  // Small ones take as many rows as large ones: the rest comes with the next piece.
  const bytes = Buffer.from(chunks.map(({ text }) => text).join(''), 'utf8');
  return pieceOf(bytes, first.byteOffset, offset, maxBytes);
}

/**
 * Whole characters of a text from a byte on, at most so many bytes.
 * @param base place of the first of these bytes in the whole
 */
export function pieceOf(
  bytes: Uint8Array,
  base: number,
  offset: number,
  maxBytes: number,
): LogText {
  let from = Math.min(Math.max(0, offset - base), bytes.length);
  // An offset in the middle of a character means the next one.
  while (isContinuation(bytes[from])) from += 1;
  let to = Math.min(from + maxBytes, bytes.length);
  while (to > from && isContinuation(bytes[to])) to -= 1;
  const text = new TextDecoder().decode(bytes.subarray(from, to));
  return { offset: base + from, text, nextOffset: base + to };
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
