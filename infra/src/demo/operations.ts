/** The GraphQL documents of the demo: what a client of one's own would send. */

const REFUSAL = 'fragment RefusalParts on Refusal { code message }';

const PROMOTION = `fragment PromotionParts on Promotion {
  id kind state traceId
  reason { code message }
  release { id name version }
  environment { name }
  steps { id state seconds reason { code message } }
  approvals { round state planDigest decisions { principal decision recorded } }
  decision { decision reasonCodes trace { rule result finding remedy } }
  packet { digest }
}`;

const REQUEST = `fragment RequestParts on ReleaseRequest {
  id state release { id name version components { name digest } } refusal { code message }
}`;

/** Creates a release; variables `{input}`. */
export const CREATE_RELEASE = `mutation DemoCreateRelease($input: CreateReleaseInput!) {
  createRelease(input: $input) { __typename ...RequestParts ...RefusalParts }
} ${REQUEST} ${REFUSAL}`;

/** Reads a release request; variables `{id}`. */
export const RELEASE_REQUEST = `query DemoReleaseRequest($id: ID!) {
  releaseRequest(id: $id) { ...RequestParts }
} ${REQUEST}`;

/** Requests a promotion; variables `{input}`. */
export const REQUEST_PROMOTION = `mutation DemoRequestPromotion($input: RequestPromotionInput!) {
  requestPromotion(input: $input) { __typename ...PromotionParts ...RefusalParts }
} ${PROMOTION} ${REFUSAL}`;

/** Reads a promotion; variables `{id}`. */
export const PROMOTION_BY_ID = `query DemoPromotion($id: ID!) {
  promotion(id: $id) { ...PromotionParts }
} ${PROMOTION}`;

/** Reads what an approver looks at before they decide; variables `{id}`. */
export const APPROVAL = `query DemoApproval($id: ID!) {
  promotion(id: $id) { approval {
    state releaseDigest planDigest rule { count roles } blockedForMe { code message }
    difference {
      current { name version } desired { name version }
      components { name change from { version digest } to { version digest } }
      packages { added removed changed unchanged }
      findings { newCount resolvedCount unchanged }
      targets { target { name } change settings { name change } }
    }
  } }
}`;

/** Says yes or no; variables `{input}`. */
export const DECIDE_APPROVAL = `mutation DemoDecideApproval($input: DecideApprovalInput!) {
  decideApproval(input: $input) { __typename ... on ApprovalRequest { id state } ...RefusalParts }
} ${REFUSAL}`;

/** Goes back to what was verified; variables `{input}`. */
export const ROLLBACK = `mutation DemoRollback($input: RollbackEnvironmentInput!) {
  rollbackEnvironment(input: $input) { __typename ...PromotionParts ...RefusalParts }
} ${PROMOTION} ${REFUSAL}`;

/** Reads a promotion's packet whole; variables `{id}`. */
export const PROMOTION_PACKET = `query DemoPacket($id: ID!) {
  promotion(id: $id) { packet { document } }
}`;

/** Reads the public keys. */
export const TRUST_ROOT = 'query DemoTrustRoot { trustRoot { document } }';

/** Reads which agents are there. */
export const AGENTS = 'query DemoAgents { targets { name agent { state } } }';

/** An expected refusal. */
export type RefusalAnswer = { readonly code: string; readonly message: string };

/** What {@link RELEASE_REQUEST} answers. */
export type RequestAnswer = {
  readonly id: string;
  readonly state: 'RESOLVING' | 'CREATED' | 'REFUSED';
  readonly release: {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    readonly components: readonly { readonly name: string; readonly digest: string }[];
  } | null;
  readonly refusal: RefusalAnswer | null;
};

/** What {@link PROMOTION_BY_ID} answers. */
export type PromotionAnswer = {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly traceId: string | null;
  readonly reason: RefusalAnswer | null;
  readonly release: { readonly id: string; readonly name: string; readonly version: string };
  readonly environment: { readonly name: string };
  readonly steps: readonly {
    readonly id: string;
    readonly state: string;
    readonly seconds: number | null;
    readonly reason: RefusalAnswer | null;
  }[];
  readonly approvals: readonly {
    readonly round: number;
    readonly state: string;
    readonly planDigest: string;
    readonly decisions: readonly {
      readonly principal: string;
      readonly decision: string;
      readonly recorded: boolean;
    }[];
  }[];
  readonly decision: {
    readonly decision: string;
    readonly reasonCodes: readonly string[];
    readonly trace: readonly {
      readonly rule: string;
      readonly result: string;
      readonly finding: string;
      readonly remedy: string;
    }[];
  } | null;
  readonly packet: { readonly digest: string } | null;
};

type Named = { readonly name: string; readonly version: string };
type Piece = { readonly version: string; readonly digest: string };

/** What runs there now against what would run. */
export type DifferenceAnswer = {
  readonly current: Named | null;
  readonly desired: Named | null;
  readonly components: readonly {
    readonly name: string;
    readonly change: string;
    readonly from: Piece | null;
    readonly to: Piece | null;
  }[];
  readonly packages: {
    readonly added: number;
    readonly removed: number;
    readonly changed: number;
    readonly unchanged: number;
  } | null;
  readonly findings: {
    readonly newCount: number;
    readonly resolvedCount: number;
    readonly unchanged: number;
  } | null;
  readonly targets: readonly {
    readonly target: { readonly name: string };
    readonly change: string;
    readonly settings: readonly { readonly name: string; readonly change: string }[];
  }[];
};

/** What {@link APPROVAL} answers. */
export type ApprovalAnswer = {
  readonly state: string;
  readonly releaseDigest: string;
  readonly planDigest: string;
  readonly rule: { readonly count: number; readonly roles: readonly string[] };
  readonly blockedForMe: RefusalAnswer | null;
  readonly difference: DifferenceAnswer;
};
