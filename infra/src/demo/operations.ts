/** The GraphQL documents of the demo: what a client of one's own would send. */

const REFUSAL = 'fragment RefusalParts on Refusal { code message }';

const PROMOTION = `fragment PromotionParts on Promotion {
  id kind state traceId
  reason { code message }
  release { id name version }
  environment { name }
  steps { id state seconds reason { code message } }
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
