import type { ReasonView } from './operations.ts';

/** GraphQL operations around approvals and differences, and what they select. */

const REFUSAL = '... on Refusal { __typename code message }';

const REQUEST = `
  fragment ApprovalFields on ApprovalRequest {
    id round state releaseDigest planDigest openedAt deadline closedAt
    reason { code message }
    rule { count roles deadlineSeconds }
    decisions { id principal decision comment recorded at refusal { code message } }
    blockedForMe { code message }
    promotion {
      id state requestedBy requestedAt
      release { id name version }
      environment { name }
    }
  }`;

const DIFFERENCE = `
  fragment DifferenceFields on Difference {
    current { id name version }
    desired { id name version }
    components {
      name change
      from { kind version digest }
      to { kind version digest }
    }
    packages { added removed changed unchanged changes { name change from to } }
    findings {
      newCount resolvedCount unchanged
      new { ...FindingFields }
      resolved { ...FindingFields }
    }
    targets {
      planDigest change
      target { name address }
      current { release name version }
      desired { release name version }
      settings { name change from to }
    }
  }
  fragment FindingFields on Finding { kind rule severity place title }`;

/** These operations, by name. */
export const APPROVAL_OPERATIONS = {
  approvals: `query Approvals($first: Int, $after: String, $all: Boolean) {
    approvals(first: $first, after: $after, all: $all) {
      edges { node { ...ApprovalFields } }
      pageInfo { hasNextPage endCursor }
      position
    }
  } ${REQUEST}`,
  promotionApproval: `query PromotionApproval($id: ID!) {
    promotion(id: $id) {
      id state
      approval { ...ApprovalFields difference { ...DifferenceFields } }
    }
  } ${REQUEST} ${DIFFERENCE}`,
  promotionDifference: `query PromotionDifference($id: ID!) {
    promotion(id: $id) {
      id
      approval { ...ApprovalFields }
      difference { ...DifferenceFields }
    }
  } ${REQUEST} ${DIFFERENCE}`,
  decideApproval: `mutation DecideApproval($input: DecideApprovalInput!) {
    decideApproval(input: $input) { __typename ... on ApprovalRequest { ...ApprovalFields } ${REFUSAL} }
  } ${REQUEST}`,
} as const;

/** Name and version of a release beside its digest. */
export interface ReleaseNameView {
  readonly id: string;
  readonly name: string;
  readonly version: string;
}

/** What one principal said, and why it does not count where it does not. */
export interface SaidView {
  readonly principal: string;
  readonly decision: 'APPROVE' | 'REJECT';
  readonly comment: string;
  readonly recorded: boolean;
  readonly refusal: ReasonView | null;
  readonly at: string;
}

/** A request for approval as the operations select it. */
export interface ApprovalView {
  readonly id: string;
  readonly round: number;
  readonly state: 'WAITING' | 'APPROVED' | 'REJECTED' | 'EXPIRED' | 'WITHDRAWN';
  readonly reason: ReasonView | null;
  readonly rule: {
    readonly count: number;
    readonly roles: readonly string[];
    readonly deadlineSeconds: number;
  };
  readonly releaseDigest: string;
  readonly planDigest: string;
  readonly openedAt: string;
  readonly deadline: string;
  readonly closedAt: string | null;
  readonly decisions: readonly (SaidView & { readonly id: string })[];
  readonly blockedForMe: ReasonView | null;
  readonly promotion: {
    readonly id: string;
    readonly state: string;
    readonly requestedBy: string;
    readonly requestedAt: string;
    readonly release: ReleaseNameView;
    readonly environment: { readonly name: string };
  };
}

/** `ADDED`, `REMOVED`, `CHANGED` or `UNCHANGED`. */
export type ChangeView = 'ADDED' | 'REMOVED' | 'CHANGED' | 'UNCHANGED';

/** A finding as the operations select it. */
export interface FindingView {
  readonly kind: string;
  readonly rule: string;
  readonly severity: string;
  readonly place: string;
  readonly title: string;
}

/** One side of a target's plan. */
export interface PlanSideView {
  readonly release: string;
  readonly name: string | null;
  readonly version: string | null;
}

/** A component on one side. */
export interface ComponentSideView {
  readonly kind: string;
  readonly version: string;
  readonly digest: string;
}

/** What runs there against what would run, as the operations select it. */
export interface DifferenceView {
  readonly current: ReleaseNameView | null;
  readonly desired: ReleaseNameView | null;
  readonly components: readonly {
    readonly name: string;
    readonly change: ChangeView;
    readonly from: ComponentSideView | null;
    readonly to: ComponentSideView | null;
  }[];
  readonly packages: {
    readonly changes: readonly {
      readonly name: string;
      readonly change: ChangeView;
      readonly from: string | null;
      readonly to: string | null;
    }[];
    readonly added: number;
    readonly removed: number;
    readonly changed: number;
    readonly unchanged: number;
  } | null;
  readonly findings: {
    readonly new: readonly FindingView[];
    readonly resolved: readonly FindingView[];
    readonly newCount: number;
    readonly resolvedCount: number;
    readonly unchanged: number;
  } | null;
  readonly targets: readonly {
    readonly target: { readonly name: string; readonly address: string };
    readonly planDigest: string;
    readonly change: ChangeView;
    readonly current: PlanSideView | null;
    readonly desired: PlanSideView | null;
    readonly settings: readonly {
      readonly name: string;
      readonly change: ChangeView;
      readonly from: unknown;
      readonly to: unknown;
    }[];
  }[];
}
