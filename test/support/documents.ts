/** The GraphQL documents that end-to-end tests send, and what they answer. */

const REFUSAL = 'fragment RefusalParts on Refusal { code message }';

const PROMOTION_PARTS = `fragment PromotionParts on Promotion {
  id number kind state traceId requestedBy endedAt
  reason { code message }
  release { id name version }
  environment { name }
  steps { id type state outputs seconds reason { code message } }
  decision { decision reasonCodes determinismHash trace { rule result finding remedy } }
  deployments { target { name } state planDigest failure { code message } }
  evidence { digest predicateType }
  packet { digest document }
  events(first: 100) { edges { node {
    id type actor subject data traceId position hash
  } } }
}`;

const REQUEST_PARTS = `fragment RequestParts on ReleaseRequest {
  id state release { id components { name digest } } refusal { code message }
}`;

export const CREATE_RELEASE = `mutation ($input: CreateReleaseInput!) {
  createRelease(input: $input) { __typename ...RequestParts ...RefusalParts }
} ${REQUEST_PARTS} ${REFUSAL}`;

export const RELEASE_REQUEST = `query ($id: ID!) {
  releaseRequest(id: $id) { __typename ...RequestParts }
} ${REQUEST_PARTS}`;

export const REQUEST_PROMOTION = `mutation ($input: RequestPromotionInput!) {
  requestPromotion(input: $input) { __typename ... on Promotion { id } ...RefusalParts }
} ${REFUSAL}`;

export const CANCEL_PROMOTION = `mutation ($input: CancelPromotionInput!) {
  cancelPromotion(input: $input) { __typename ... on Promotion { id state } ...RefusalParts }
} ${REFUSAL}`;

export const PROMOTION = `query ($id: ID!) {
  promotion(id: $id) { ...PromotionParts }
} ${PROMOTION_PARTS}`;

/** What is looked at again and again while something is awaited: little, since each look costs the API what it asks for. */
export const PROMOTION_GLANCE = `query ($id: ID!) {
  promotion(id: $id) {
    state endedAt reason { code message } packet { digest } steps { id state } deployments { state }
  }
}`;

export const TARGET = `query ($name: ID!) {
  target(name: $name) { name currentRelease { id version } agent { state lastHeartbeatAt } }
}`;

/** An expected refusal. */
export interface Refusal {
  readonly __typename: string;
  readonly code: string;
  readonly message: string;
}

export interface Reason {
  readonly code: string;
  readonly message: string;
}

/** What {@link RELEASE_REQUEST} answers. */
export interface ReleaseRequestAnswer {
  readonly id: string;
  readonly state: 'RESOLVING' | 'CREATED' | 'REFUSED';
  readonly release: {
    readonly id: string;
    readonly components: readonly { readonly name: string; readonly digest: string }[];
  } | null;
  readonly refusal: Reason | null;
}

/** One audit record. */
export interface EventAnswer {
  readonly id: string;
  readonly type: string;
  readonly actor: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly traceId: string | null;
  readonly position: string | null;
  readonly hash: string | null;
}

/** What {@link PROMOTION} answers. */
export interface PromotionAnswer {
  readonly id: string;
  readonly state: string;
  readonly traceId: string | null;
  readonly endedAt: string | null;
  readonly reason: Reason | null;
  readonly steps: readonly {
    readonly id: string;
    readonly state: string;
    readonly outputs: Readonly<Record<string, string>>;
    readonly seconds: number | null;
    readonly reason: Reason | null;
  }[];
  readonly decision: {
    readonly decision: string;
    readonly reasonCodes: readonly string[];
    readonly determinismHash: string;
    readonly trace: readonly {
      readonly rule: string;
      readonly result: string;
      readonly finding: string;
      readonly remedy: string;
    }[];
  } | null;
  readonly deployments: readonly {
    readonly target: { readonly name: string };
    readonly state: string;
    readonly planDigest: string;
    readonly failure: Reason | null;
  }[];
  readonly evidence: readonly { readonly digest: string; readonly predicateType: string }[];
  readonly packet: { readonly digest: string; readonly document: string } | null;
  readonly events: { readonly edges: readonly { readonly node: EventAnswer }[] };
}

/** What {@link PROMOTION_GLANCE} answers. */
export interface PromotionGlance {
  readonly state: string;
  readonly endedAt: string | null;
  readonly reason: Reason | null;
  readonly packet: { readonly digest: string } | null;
  readonly steps: readonly { readonly id: string; readonly state: string }[];
  readonly deployments: readonly { readonly state: string }[];
}

/** What {@link TARGET} answers. */
export interface TargetAnswer {
  readonly name: string;
  readonly currentRelease: { readonly id: string; readonly version: string } | null;
  readonly agent: { readonly state: string; readonly lastHeartbeatAt: string | null } | null;
}
