/** One component as a client asks for it: a configured source and a tag or digest in it. */
export interface ComponentRequest {
  readonly name: string;
  /** Name of a configured source; a client never hands over a path. */
  readonly source: string;
  /** A tag, or `sha256:…`. */
  readonly reference: string;
}

/** Input of `resolveRelease`. */
export interface ResolveReleaseInput {
  readonly tenantId: string;
  readonly requestId: string;
  readonly name: string;
  readonly version: string;
  readonly components: readonly ComponentRequest[];
  readonly requestedBy: string;
  readonly traceparent: string;
}

/** Result of `resolveRelease`. */
export type ResolveReleaseResult =
  | { readonly state: 'created'; readonly releaseDigest: string }
  | { readonly state: 'refused'; readonly code: string; readonly message: string };
