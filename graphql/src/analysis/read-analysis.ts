import { ANALYSIS_SCHEMA, type AnalysisDocument } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';

/** Largest document that is read. Bytes; twice what the most points make. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/** A document, or why it cannot be read. */
export type AnalysisContent =
  | { readonly content: AnalysisDocument; readonly problem: null }
  | {
      readonly content: null;
      readonly problem: { readonly code: string; readonly message: string };
    };

/** Reads an analysis from the evidence store, checked against its digest. */
export async function readAnalysis(
  evidence: Pick<EvidenceStore, 'getBytes'>,
  digest: string,
): Promise<AnalysisContent> {
  try {
    const bytes = await evidence.getBytes(digest, { maxBytes: MAX_DOCUMENT_BYTES });
    const content = JSON.parse(Buffer.from(bytes).toString('utf8')) as AnalysisDocument;
    if (content.schema === ANALYSIS_SCHEMA) return { content, problem: null };
  } catch (error) {
    const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
    if (code === 'evidence-not-found') {
      return without('analysis-unavailable', `The evidence store does not have ${digest}`);
    }
    const isKnown = typeof code === 'string' && code.startsWith('evidence-');
    if (!isKnown && name !== 'SyntaxError') throw error;
  }
  return without('analysis-changed', `The evidence store has another content at ${digest}`);
}

function without(code: string, message: string): AnalysisContent {
  return { content: null, problem: { code, message: `${message}: restore it from a backup.` } };
}
