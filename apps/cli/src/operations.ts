import { ANALYSIS_OPERATIONS } from './analysis-operations.ts';
import { APPROVAL_OPERATIONS, type ApprovalView, type SaidView } from './approval-operations.ts';
import { ENVIRONMENT_OPERATIONS } from './environment-operations.ts';
import { HISTORY_OPERATIONS, type ProblemView } from './history-operations.ts';
import { LOG_OPERATIONS } from './log-operations.ts';
import { OUTPUT_OPERATIONS } from './output-operations.ts';
import { PIPELINE_OPERATIONS } from './pipeline-operations.ts';
import { RELEASE_WATCH_OPERATIONS } from './release-watch-operations.ts';
import { ROLLOUT_OPERATIONS } from './rollout-operations.ts';
import { WATCH_OPERATIONS } from './watch-operations.ts';

/** The GraphQL operations of the CLI; a test validates each against the schema. */

const RELEASE = `
  fragment ReleaseFields on Release {
    id name version createdBy createdAt
    components { name kind digest version }
  }`;

const REQUEST = `
  fragment RequestFields on ReleaseRequest {
    id state requestedBy createdAt
    refusal { code message }
    release { ...ReleaseFields }
  }
  ${RELEASE}`;

const PROMOTION = `
  fragment PromotionFields on Promotion {
    id kind state requestedBy requestedReason rollbackTo requestedAt startedAt endedAt traceId
    reason { code message }
    release { id name version }
    environment { name }
    parameters
    pipeline { name version digest }
    steps {
      id type state seconds reason { code message } description needs
      memberCounts { total pending running succeeded denied failed skipped cancelled reverted }
    }
    compensation {
      complete
      steps { step type state undoes byHand undoneMembers memberCount reason { code message } }
    }
    decision {
      decision reasonCodes policyDigest inputDigest determinismHash evaluatedAt
      trace { rule source result finding remedy }
    }
    deployments { state planDigest target { name } failure { code message } }
    approvals {
      round state planDigest deadline
      rule { count roles }
      reason { code message }
      decisions { principal decision comment recorded at refusal { code message } }
    }
    supersededBy
    problem { code message cause attempt event activity buildId since wayOut }
    packet { digest }
  }`;

const REFUSAL = '... on Refusal { __typename code message }';

/** Every operation, by name. */
export const OPERATIONS = {
  createRelease: `mutation CreateRelease($input: CreateReleaseInput!) {
    createRelease(input: $input) { __typename ... on ReleaseRequest { ...RequestFields } ${REFUSAL} }
  } ${REQUEST}`,
  releaseRequest: `query ReleaseRequest($id: ID!) {
    releaseRequest(id: $id) { ...RequestFields }
  } ${REQUEST}`,
  releases: `query Releases($first: Int, $after: String, $name: String) {
    releases(first: $first, after: $after, name: $name) {
      edges { node { ...ReleaseFields } }
      pageInfo { hasNextPage endCursor }
    }
  } ${RELEASE}`,
  release: `query Release($id: Digest!) { release(id: $id) { ...ReleaseFields } } ${RELEASE}`,
  releaseByVersion: `query ReleaseByVersion($name: String!, $version: String!) {
    releaseByVersion(name: $name, version: $version) { ...ReleaseFields }
  } ${RELEASE}`,
  requestPromotion: `mutation RequestPromotion($input: RequestPromotionInput!) {
    requestPromotion(input: $input) {
      __typename
      ... on Promotion { ...PromotionFields }
      ... on PipelineInvalid { problemCount problems { code severity path line column message suggestion } }
      ${REFUSAL}
    }
  } ${PROMOTION}`,
  cancelPromotion: `mutation CancelPromotion($input: CancelPromotionInput!) {
    cancelPromotion(input: $input) { __typename ... on Promotion { ...PromotionFields } ${REFUSAL} }
  } ${PROMOTION}`,
  promotion: `query Promotion($id: ID!) { promotion(id: $id) { ...PromotionFields } } ${PROMOTION}`,
  promotionPacket: `query PromotionPacket($id: ID!) {
    promotion(id: $id) { id state packet { digest document } }
  }`,
  trustRoot: 'query TrustRoot { trustRoot { document } }',
  viewer: 'query Viewer { viewer { name tenant role } }',
  ...ANALYSIS_OPERATIONS,
  ...APPROVAL_OPERATIONS,
  ...ENVIRONMENT_OPERATIONS,
  ...HISTORY_OPERATIONS,
  ...LOG_OPERATIONS,
  ...OUTPUT_OPERATIONS,
  ...PIPELINE_OPERATIONS,
  ...RELEASE_WATCH_OPERATIONS,
  ...ROLLOUT_OPERATIONS,
  ...WATCH_OPERATIONS,
} as const;

/** A stable code and a sentence. */
export interface ReasonView {
  readonly code: string;
  readonly message: string;
}

/** A release as the operations select it. */
export interface ReleaseView {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly components: readonly {
    readonly name: string;
    readonly kind: string;
    readonly digest: string;
    readonly version: string;
  }[];
}

/** A release request as the operations select it. */
export interface ReleaseRequestView {
  readonly id: string;
  readonly state: 'RESOLVING' | 'CREATED' | 'REFUSED';
  readonly requestedBy: string;
  readonly createdAt: string;
  readonly refusal: ReasonView | null;
  readonly release: ReleaseView | null;
}

/** A promotion as the operations select it. */
export interface PromotionView {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly requestedBy: string;
  /** Why a rollback was asked for; null of a promote. */
  readonly requestedReason: string | null;
  /** What a rollback was asked to put there; null of a promote. */
  readonly rollbackTo: 'LAST_VERIFIED' | 'RELEASE' | 'NOTHING' | null;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly traceId: string | null;
  readonly reason: ReasonView | null;
  readonly release: { readonly id: string; readonly name: string; readonly version: string };
  readonly environment: { readonly name: string };
  /** Name to value. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Null before it began. */
  readonly pipeline: {
    readonly name: string;
    readonly version: number;
    readonly digest: string;
  } | null;
  readonly steps: readonly StepView[];
  readonly compensation: CompensationView | null;
  readonly decision: {
    readonly decision: string;
    readonly reasonCodes: readonly string[];
    readonly policyDigest: string;
    readonly inputDigest: string;
    readonly determinismHash: string;
    readonly evaluatedAt: string;
    readonly trace: readonly {
      readonly rule: string;
      readonly source: string;
      readonly result: string;
      readonly finding: string;
      readonly remedy: string;
    }[];
  } | null;
  readonly deployments: readonly {
    readonly state: string;
    readonly planDigest: string;
    readonly target: { readonly name: string };
    readonly failure: ReasonView | null;
  }[];
  /** Every round of asking people, oldest first; empty where nobody is asked. */
  readonly approvals: readonly AskedRoundView[];
  /** The rollback that took the lease from it. */
  readonly supersededBy: string | null;
  /** Why it does not go on; null when it does, or has ended. */
  readonly problem: ProblemView | null;
  readonly packet: { readonly digest: string } | null;
}

/** How many members of a step are in each state. */
export interface MemberCountsView {
  readonly total: number;
  readonly pending: number;
  readonly running: number;
  readonly succeeded: number;
  readonly denied: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  readonly reverted: number;
}

/** A step as a promotion shows it. */
export interface StepView {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly seconds: number | null;
  readonly reason: ReasonView | null;
  readonly description: string | null;
  readonly needs: readonly string[];
  /** Null where it runs once. */
  readonly memberCounts: MemberCountsView | null;
}

/** What a promotion that went wrong put back, and what remains. */
export interface CompensationView {
  readonly complete: boolean;
  readonly steps: readonly {
    readonly step: string;
    readonly type: string;
    readonly state: 'UNDONE' | 'FAILED' | 'OPEN' | 'LEFT' | 'STAYS';
    readonly undoes: string | null;
    readonly byHand: string | null;
    readonly undoneMembers: number | null;
    readonly memberCount: number | null;
    readonly reason: ReasonView | null;
  }[];
}

/** A round of asking people, as a promotion shows it. */
export type AskedRoundView = Pick<
  ApprovalView,
  'round' | 'state' | 'planDigest' | 'deadline' | 'reason'
> & {
  readonly rule: Pick<ApprovalView['rule'], 'count' | 'roles'>;
  readonly decisions: readonly SaidView[];
};

/** What a mutation answers instead of its object. */
export interface RefusalView extends ReasonView {
  readonly __typename: string;
}
