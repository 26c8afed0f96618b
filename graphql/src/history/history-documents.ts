import type { EvidenceStore } from '@sluice/evidence-store';
import type { HistoryRecord } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import {
  type CodecKeys,
  historyFileName,
  MAX_HISTORY_FILE_BYTES,
  openHistory,
  redactedHistoryText,
  redactHistory,
} from '@sluice/temporal-client';
import { type RefusalException, stateConflict } from '../common/refusal.ts';

/** One history as a file, as the schema has it. */
export interface HistoryDocument {
  readonly fileName: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly archived: boolean;
  readonly digest: string;
  readonly content: string;
}

/** Bytes of the documents of one answer, at most. */
export const MAX_EXPORT_BYTES = 64 * 1024 * 1024;

/** What is needed to read what is archived. */
export interface ArchiveParts {
  readonly evidence: EvidenceStore;
  readonly codecKeys: CodecKeys;
}

/** How histories are handed out. */
export type DocumentForm = 'ENCRYPTED' | 'REDACTED';

/** A history that becomes a document: an archived one, or one that the engine told. */
export interface DocumentSource {
  readonly workflowId: string;
  readonly runId: string;
  readonly archived: boolean;
  /** @throws RefusalException for what is a matter of keys and of what is stored */
  bytes(): Promise<Uint8Array>;
  /** The refusal when all documents up to this one are too large together. */
  tooLarge(): RefusalException;
}

/**
 * Writes histories as documents, in their order, one after the other.
 * @throws RefusalException `history-damaged`, `history-key-missing`, `history-too-large`
 */
export async function writeDocuments(
  sources: readonly DocumentSource[],
  form: DocumentForm,
): Promise<readonly HistoryDocument[]> {
  const documents: HistoryDocument[] = [];
  let left = MAX_EXPORT_BYTES;
  for (const source of sources) {
    const { workflowId, runId, archived } = source;
    const bytes = await source.bytes();
    left -= bytes.length;
    if (left < 0) throw source.tooLarge();
    documents.push({
      fileName: historyFileName(source, form === 'ENCRYPTED' ? 'encrypted' : 'redacted'),
      workflowId,
      runId,
      archived,
      digest: digestOfBytes(bytes),
      content: Buffer.from(bytes).toString(form === 'ENCRYPTED' ? 'base64' : 'utf8'),
    });
  }
  return documents;
}

/** An archived history, as it lies there or redacted. */
export function archivedSource(
  parts: ArchiveParts,
  record: HistoryRecord,
  form: DocumentForm,
): DocumentSource {
  const { workflowId, runId } = record;
  return {
    workflowId,
    runId,
    archived: true,
    bytes: async () => {
      const encrypted = await readArchive(parts, record);
      return form === 'ENCRYPTED' ? encrypted : redact(parts, record, encrypted);
    },
    tooLarge: () => tooLarge(record),
  };
}

async function readArchive({ evidence }: ArchiveParts, record: HistoryRecord): Promise<Uint8Array> {
  try {
    return await evidence.getBytes(record.archiveDigest, { maxBytes: MAX_HISTORY_FILE_BYTES });
  } catch (error) {
    throw refusalOfCode(error, record) ?? error;
  }
}

async function redact(
  { codecKeys }: ArchiveParts,
  record: HistoryRecord,
  encrypted: Uint8Array,
): Promise<Uint8Array> {
  try {
    const { head, history } = await openHistory(encrypted, codecKeys);
    // The row was read within the tenant: a file that is another run's is not handed out under its name.
    if (head.historyDigest !== record.historyDigest) throw damaged(record);
    return Buffer.from(redactedHistoryText(await redactHistory(history, head, codecKeys)));
  } catch (error) {
    throw refusalOfCode(error, record) ?? error;
  }
}

/** What is a matter of the archive's state, and not a fault of this process. */
function refusalOfCode(error: unknown, record: HistoryRecord): RefusalException | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  switch (code) {
    case 'evidence-not-found':
    case 'evidence-corrupt':
    case 'history-damaged':
    case 'history-file-unreadable':
    case 'history-tenant-mismatch':
      return damaged(record);
    case 'history-key-missing':
      return stateConflict(
        'history-key-missing',
        `The history of ${record.workflowId} was encrypted with a key that the API does not have; put it under "previous" in the file of codec keys.`,
      );
    case 'evidence-too-large':
    case 'history-too-large':
      return tooLarge(record);
    default:
      return undefined;
  }
}

function damaged({ workflowId, archiveDigest }: HistoryRecord): RefusalException {
  return stateConflict(
    'history-damaged',
    `The archived history of ${workflowId} (${archiveDigest}) is missing in the evidence store, or is another; restore it from a backup.`,
  );
}

function tooLarge({ workflowId }: HistoryRecord): RefusalException {
  return stateConflict(
    'history-too-large',
    `The histories up to ${workflowId} have more than ${MAX_EXPORT_BYTES} bytes; take the files from the evidence store by their archiveDigest.`,
  );
}
