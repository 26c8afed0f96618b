import type { Readable } from 'node:stream';

/** What {@link EvidenceStore.put} takes. */
export type EvidenceContent = Uint8Array | string | AsyncIterable<Uint8Array>;

/** Bounds and expectations of one put. */
export interface PutOptions {
  /** More bytes than this are refused (`evidence-too-large`) and nothing is kept. */
  readonly maxBytes: number;
  /** When given, content with another digest is refused (`evidence-digest-mismatch`) and nothing is kept. */
  readonly expectedDigest?: string;
  readonly signal?: AbortSignal;
}

/** Content by its digest. Put before the row that names it is written; never changed, never renamed, removed by rule only. */
export interface EvidenceStore {
  /** Stores content; storing the same content again is no change. */
  put(
    content: EvidenceContent,
    options: PutOptions,
  ): Promise<{ readonly digest: string; readonly size: number }>;
  /**
   * The content as a stream that is verified while it is read: it ends well only when every byte matched the
   * digest, and fails with `evidence-corrupt` otherwise (after the last byte: use nothing before the end).
   * @throws EvidenceError `evidence-not-found`
   */
  get(digest: string): Promise<Readable>;
  /**
   * The whole content, verified.
   * @throws EvidenceError `evidence-not-found`, `evidence-corrupt`, `evidence-too-large`
   */
  getBytes(digest: string, options: { readonly maxBytes: number }): Promise<Uint8Array>;
  /** True when content of this digest is stored; its bytes are not read. */
  has(digest: string): Promise<boolean>;
  /** Its size in bytes, or undefined when it is not stored. */
  findSize(digest: string): Promise<number | undefined>;
  /**
   * Removes content for good: only what a rule says may go, and only where no other row names it.
   * @returns false when it was not stored
   */
  remove(digest: string): Promise<boolean>;
}

/** Codes of {@link EvidenceError}; stable. */
export type EvidenceErrorCode =
  | 'evidence-not-found'
  | 'evidence-corrupt'
  | 'evidence-too-large'
  | 'evidence-digest-mismatch'
  | 'evidence-digest-invalid';

/** What the store throws of its own; a disk's errors pass through. Recognise it by `code`. */
export class EvidenceError extends Error {
  readonly code: EvidenceErrorCode;

  constructor(code: EvidenceErrorCode, message: string) {
    super(message);
    this.name = 'EvidenceError';
    this.code = code;
  }
}
