import type { EvidenceStore } from '@sluice/evidence-store';
import { insertEvidence, type Tx } from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';

/** Largest JSON document that an activity reads or writes. Bytes. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** A blob that lies in the evidence store and whose row is yet to be written. */
export interface StoredBlob {
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

/** Puts a value's RFC 8785 form into the evidence store; write its row afterwards, never before. */
export async function putDocument(
  evidence: EvidenceStore,
  value: unknown,
  mediaType: string,
): Promise<StoredBlob> {
  return putText(evidence, canonicalJson(value), mediaType);
}

/** Puts a text into the evidence store as it is. */
export async function putText(
  evidence: EvidenceStore,
  text: string,
  mediaType: string,
): Promise<StoredBlob> {
  const { digest, size } = await evidence.put(text, { maxBytes: MAX_DOCUMENT_BYTES });
  return { digest, mediaType, size };
}

/** Reads a JSON document back, verified against its digest. */
export async function readDocument(evidence: EvidenceStore, digest: string): Promise<unknown> {
  const bytes = await evidence.getBytes(digest, { maxBytes: MAX_DOCUMENT_BYTES });
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
}

/** Writes the rows of blobs that are in the store. */
export async function recordBlobs(tx: Tx, blobs: readonly StoredBlob[]): Promise<void> {
  for (const blob of blobs) await insertEvidence(tx, blob);
}
