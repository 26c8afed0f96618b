import type { AnalysisOutcome } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import type { RolloutKey } from './rollout.repository.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** What watching one stage came to. */
export interface AnalysisRecord extends RolloutKey {
  readonly stage: number;
  readonly outcome: AnalysisOutcome;
  /** 0 to 100; null where no metric was compared. */
  readonly score: number | null;
  /** Null exactly with `pass`. */
  readonly reason: ReasonRecord | null;
  /** Of the document in the evidence store; null where health alone was watched. */
  readonly documentDigest: string | null;
  readonly startedAt: string;
  readonly endedAt: string;
}

/** Stages of one answer of {@link listAnalysesOf}, of one promotion. */
export const MAX_ANALYSES_A_PROMOTION = 200;

const COLUMNS = `a.promotion_id as "promotionId", a.step_id as "stepId", a.round, a.stage, a.outcome, a.score,
  ${reasonColumn('a.reason_code', 'a.reason_message', 'reason')}, a.document_digest as "documentDigest",
  a.started_at as "startedAt", a.ended_at as "endedAt"`;

/**
 * Stores what a stage came to; of one that is watched again, after a pause, what it came to before is replaced. What was stored of this
 * watching, or of a later one, stays: `stored` says whether it is this one. For the role sluice_worker only.
 */
export async function storeAnalysis(
  tx: Tx,
  record: AnalysisRecord,
): Promise<{ readonly stored: boolean; readonly analysis: AnalysisRecord }> {
  const { promotionId, stepId, round, stage, outcome, score, reason } = record;
  const { rowCount } = await tx.query(
    `insert into sluice.analyses as a (tenant_id, promotion_id, step_id, round, stage, outcome, score, reason_code,
       reason_message, document_digest, started_at, ended_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     on conflict (tenant_id, promotion_id, step_id, round, stage) do update
       set outcome = excluded.outcome, score = excluded.score, reason_code = excluded.reason_code,
           reason_message = excluded.reason_message, document_digest = excluded.document_digest,
           started_at = excluded.started_at, ended_at = excluded.ended_at
     where a.started_at < excluded.started_at`,
    [
      tx.tenantId,
      promotionId,
      stepId,
      round,
      stage,
      outcome,
      score,
      reason?.code ?? null,
      reason === null ? null : storableText(reason.message),
      record.documentDigest,
      record.startedAt,
      record.endedAt,
    ],
  );
  const found = await findAnalysis(tx, record);
  const name = `analysis of stage ${stage} of ${promotionId}/${stepId}`;
  return { stored: rowCount === 1, analysis: existing(found, name, tx.tenantId) };
}

/** What a stage came to; undefined while it is watched, or never was. */
export async function findAnalysis(
  tx: Tx,
  key: RolloutKey & { readonly stage: number },
): Promise<AnalysisRecord | undefined> {
  return firstOf(
    await tx.query<AnalysisRecord>(
      `select ${COLUMNS} from sluice.analyses a
        where a.tenant_id = $1 and a.promotion_id = $2 and a.step_id = $3 and a.round = $4 and a.stage = $5`,
      [tx.tenantId, key.promotionId, key.stepId, key.round, key.stage],
    ),
  );
}

/**
 * What the stages of many promotions came to, in their order, at most {@link MAX_ANALYSES_A_PROMOTION} of each: for a batch loader.
 */
export async function listAnalysesOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly AnalysisRecord[]> {
  const { rows } = await tx.query<AnalysisRecord>(
    `select found.* from unnest($2::text[]) as asked(promotion_id)
      cross join lateral (
        select ${COLUMNS} from sluice.analyses a
         where a.tenant_id = $1 and a.promotion_id = asked.promotion_id
         order by a.step_id, a.round, a.stage
         limit ${MAX_ANALYSES_A_PROMOTION}) found
      order by found."promotionId", found."stepId", found.round, found.stage`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}
