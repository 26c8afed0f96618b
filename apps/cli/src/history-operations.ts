import type { ReleaseNameView } from './approval-operations.ts';
import type { ReasonView } from './operations.ts';

/** GraphQL operations around histories, problems and discrepancies, and what they select. */

const RUN = `
  fragment RunFields on ArchivedHistory {
    workflowId runId workflowType status eventCount buildIds bundleDigests historyDigest archiveDigest packetDigest
    startedAt closedAt archivedAt expiredAt
  }`;

const PREVIEW = `
  fragment PreviewFields on ResetPreview {
    event lastEvent possibleEvents
    runsAgain { event activity step target consequence }
    warnings { code message }
    promotion { id kind state release { id name version } environment { name } }
  }`;

const RECONCILIATION = `
  fragment ReconciliationFields on Reconciliation {
    lookedAt
    discrepancies {
      id code subject message action repairable remedy detail firstSeenAt lastSeenAt repairRequestedAt repairError
    }
  }`;

const PROBLEM = 'problem { code message cause attempt event activity buildId since wayOut }';
const REFUSAL = '... on Refusal { __typename code message }';
const CHANGED = `... on Promotion { id kind state release { id name version } environment { name } }`;

/** These operations, by name. */
export const HISTORY_OPERATIONS = {
  promotionHistories: `query PromotionHistories($id: ID!) {
    promotion(id: $id) { id state bundleDigest histories { ...RunFields statement } }
  } ${RUN}`,
  promotionsWithHistories: `query PromotionsWithHistories(
    $first: Int!, $after: String, $filter: PromotionFilter
  ) {
    promotions(first: $first, after: $after, filter: $filter) {
      edges { node { id state histories { runId expiredAt } } }
      pageInfo { hasNextPage endCursor }
    }
  }`,
  promotionProblem: `query PromotionProblem($id: ID!) { promotion(id: $id) { id ${PROBLEM} } }`,
  exportHistories: `mutation ExportHistories($input: ExportHistoriesInput!) {
    exportHistories(input: $input) {
      __typename
      ... on ExportedHistories {
        form documents { fileName workflowId runId archived digest content }
      }
      ${REFUSAL}
    }
  }`,
  workflowBundles:
    'query WorkflowBundles { workflowBundles { digest buildId sdkVersion size firstSeenAt } }',
  workflowCode: `query WorkflowCode($digest: Digest!) {
    workflowCode(digest: $digest) { bundle { digest buildId firstSeenAt } content }
  }`,
  resetPreview: `query ResetPreview($promotion: ID!, $event: Int) {
    resetPreview(promotion: $promotion, event: $event) {
      __typename ... on ResetPreview { ...PreviewFields } ${REFUSAL}
    }
  } ${PREVIEW}`,
  resetPromotion: `mutation ResetPromotion($input: ResetPromotionInput!) {
    resetPromotion(input: $input) { __typename ${CHANGED} ${REFUSAL} }
  }`,
  resumePromotion: `mutation ResumePromotion($input: ResumePromotionInput!) {
    resumePromotion(input: $input) { __typename ${CHANGED} ${REFUSAL} }
  }`,
  reconciliation: `query Reconciliation {
    reconciliation { ...ReconciliationFields }
  } ${RECONCILIATION}`,
  reconcile: `mutation Reconcile($input: ReconcileInput!) {
    reconcile(input: $input) {
      __typename ... on Reconciliation { ...ReconciliationFields } ${REFUSAL}
    }
  } ${RECONCILIATION}`,
} as const;

/** One archived run, as the operations select it. */
export interface ArchivedRunView {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly status: string;
  readonly eventCount: number;
  readonly buildIds: readonly string[];
  readonly bundleDigests: readonly string[];
  readonly historyDigest: string;
  readonly archiveDigest: string;
  readonly packetDigest: string | null;
  readonly startedAt: string;
  readonly closedAt: string;
  readonly archivedAt: string;
  readonly expiredAt: string | null;
}

/** Histories of one promotion, as files. */
export interface ExportedHistoriesView {
  readonly __typename: 'ExportedHistories';
  readonly form: HistoryForm;
  readonly documents: readonly HistoryDocumentView[];
}

/** As the API calls the two forms of an exported history. */
export type HistoryForm = 'ENCRYPTED' | 'REDACTED';

/** One history as a file. */
export interface HistoryDocumentView {
  readonly fileName: string;
  readonly workflowId: string;
  readonly runId: string;
  /** False for what the engine told: the run may go on. */
  readonly archived: boolean;
  readonly digest: string;
  /** JSON text, or base64 of an encrypted one. */
  readonly content: string;
}

/** Workflow code that was kept, without the code. */
export interface BundleView {
  readonly digest: string;
  readonly buildId: string;
  readonly sdkVersion: string;
  readonly size: number;
  readonly firstSeenAt: string;
}

/** Why a promotion does not go on, as the operations select it. */
export interface ProblemView {
  readonly code: string;
  readonly message: string;
  readonly cause: string | null;
  readonly attempt: number;
  readonly event: number | null;
  readonly activity: string | null;
  readonly buildId: string | null;
  readonly since: string;
  /** Best first. */
  readonly wayOut: readonly string[];
}

/** What a reset would do. */
export interface ResetPreviewView {
  readonly __typename: 'ResetPreview';
  readonly event: number;
  readonly lastEvent: number;
  readonly possibleEvents: readonly number[];
  readonly runsAgain: readonly {
    readonly event: number;
    readonly activity: string;
    readonly step: string | null;
    readonly target: string | null;
    readonly consequence: string;
  }[];
  readonly warnings: readonly ReasonView[];
  readonly promotion: ChangedPromotionView;
}

/** A promotion after a request for it was accepted. */
export interface ChangedPromotionView {
  readonly __typename: 'Promotion';
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly release: ReleaseNameView;
  readonly environment: { readonly name: string };
}

/** Two parts of the system that disagree. */
export interface DiscrepancyView {
  readonly id: string;
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly action: 'REPAIR' | 'RAISE';
  readonly repairable: boolean;
  readonly remedy: string;
  readonly detail: unknown;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  readonly repairRequestedAt: string | null;
  readonly repairError: string | null;
}

/** What the watchdog found. */
export interface ReconciliationView {
  readonly __typename: 'Reconciliation';
  readonly lookedAt: string | null;
  readonly discrepancies: readonly DiscrepancyView[];
}
