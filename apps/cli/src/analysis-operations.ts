import type { AnalysisDocument } from '@sluice/domain';

/** GraphQL operations around analyses of rollouts' stages. */
export const ANALYSIS_OPERATIONS = {
  promotionAnalyses: `query PromotionAnalyses($id: ID!) {
    promotion(id: $id) {
      id
      rollouts {
        step round
        stages {
          index name
          analysis { outcome score reason { code message } documentDigest startedAt endedAt }
        }
      }
    }
  }`,
  analysisDocument: `query AnalysisDocument($digest: Digest!) {
    analysisDocument(digest: $digest) { digest content problem { code message } }
  }`,
} as const;

/** What a stage's watching came to. */
export interface StageAnalysisView {
  readonly outcome: 'PASS' | 'FAIL' | 'INCONCLUSIVE';
  readonly score: number | null;
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** Null where health alone was watched. */
  readonly documentDigest: string | null;
  readonly startedAt: string;
  readonly endedAt: string;
}

/** A rollout as `promotionAnalyses` selects it. */
export interface AnalysedRolloutView {
  readonly step: string;
  readonly round: number;
  readonly stages: readonly {
    readonly index: number;
    readonly name: string;
    readonly analysis: StageAnalysisView | null;
  }[];
}

/** A document as `analysisDocument` selects it. */
export interface AnalysisDocumentView {
  readonly digest: string;
  readonly content: AnalysisDocument | null;
  readonly problem: { readonly code: string; readonly message: string } | null;
}
