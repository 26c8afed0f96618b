import {
  ANALYSIS_MEDIA_TYPE,
  type AnalysisConclusion,
  type AnalysisDocument,
  PREDICATE_TYPES,
} from '@sluice/domain';
import { type AnalysisRecord, storeAnalysis, type Tx, withTenant } from '@sluice/persistence';
import type { StageVerdict } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import {
  recordStatement,
  type SignedStatement,
  signStatement,
  statementContext,
} from '../evidence/statement-signing.ts';
import { putDocument, recordBlobs, type StoredBlob } from '../evidence/stored-document.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import type { StageSubject, WatchStageInput } from './stage-subject.ts';

/** What keeping needs. */
export type KeepParts = Pick<ActivityDependencies, 'pool' | 'evidence' | 'signer'>;

/** How a stage ended: by a look's document, or by health alone. */
export type StageEnd =
  | { readonly document: AnalysisDocument }
  | { readonly document: null; readonly conclusion: Omit<AnalysisConclusion, 'score'> };

/**
 * Stores what one watching of a stage came to, once: the document in the evidence store, its signed statement, the row and an event. What was
 * stored first is the answer.
 * @param endedAt RFC 3339
 */
export async function keepAnalysis(
  { pool, evidence, signer }: KeepParts,
  input: WatchStageInput,
  { promotion, release }: StageSubject,
  end: StageEnd,
  endedAt: string,
): Promise<StageVerdict> {
  const { tenantId, promotionId } = input.promotion;
  const { stepId, round, stage } = input;
  const { document } = end;
  const conclusion = document === null ? { ...end.conclusion, score: null } : document.conclusion;
  let kept: { readonly blob: StoredBlob; readonly signed: SignedStatement } | undefined;
  if (document !== null) {
    const blob = await putDocument(evidence, document, ANALYSIS_MEDIA_TYPE);
    const signed = await signStatement(
      signer,
      tenantId,
      statementContext(promotionId, release),
      PREDICATE_TYPES.analysis,
      { documentDigest: blob.digest, document },
    );
    kept = { blob, signed };
  }
  const record: AnalysisRecord = {
    promotionId,
    stepId,
    round,
    stage,
    outcome: conclusion.outcome,
    score: conclusion.score,
    reason: conclusion.reason,
    documentDigest: kept?.blob.digest ?? null,
    startedAt: input.since,
    endedAt,
  };
  return withTenant(pool, tenantId, async (tx) => {
    const { stored, analysis } = await storeAnalysis(tx, record);
    if (stored) await recordBeside(tx, input, promotion, record, kept);
    return verdictOf(analysis);
  });
}

async function recordBeside(
  tx: Tx,
  { stepId, stage }: WatchStageInput,
  promotion: StageSubject['promotion'],
  { promotionId, outcome, score, reason, documentDigest }: AnalysisRecord,
  kept: { readonly blob: StoredBlob; readonly signed: SignedStatement } | undefined,
): Promise<void> {
  if (kept !== undefined) {
    await recordBlobs(tx, [kept.blob]);
    await recordStatement(tx, promotionId, kept.signed, { stepId });
  }
  const code = reason?.code ?? null;
  const data = { step: stepId, stage, outcome, score, reason: code, analysis: documentDigest };
  await recordEventOf(tx, 'rollout.watched', promotion, data);
}

/** What the interpreter is answered. */
export function verdictOf({
  outcome,
  reason,
  score,
  documentDigest,
}: AnalysisRecord): StageVerdict {
  return { outcome, reason, score, analysisDigest: documentDigest };
}
