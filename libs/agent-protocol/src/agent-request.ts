import { randomBytes } from 'node:crypto';
import type { Outcome } from '@sluice/domain';
import type { KeyPair } from '@sluice/signing';
import { checkContentDigest, contentDigest } from './content-digest.ts';
import {
  type SignableRequest,
  signHttpRequest,
  type VerifiedSignature,
  verifyHttpSignature,
} from './http-signature.ts';

/** What every request of an agent covers with its signature. */
export const AGENT_COMPONENTS: readonly string[] = ['@method', '@target-uri', 'content-digest'];

/** How far an agent's clock may be from the control plane's. Seconds. */
export const MAX_CLOCK_SKEW_SECONDS = 60;

/** A request with its body; an empty body is an empty array. */
export interface AgentRequest extends SignableRequest {
  readonly body: Uint8Array;
}

/**
 * Header fields that make a request an agent's: Content-Digest (of the empty body too), Signature-Input and
 * Signature, to be sent beside the request's own.
 * @param now milliseconds since the epoch
 * @param nonce random where nothing is given
 */
export async function signAgentRequest(
  request: Omit<AgentRequest, 'headers'>,
  keyPair: KeyPair,
  now: number = Date.now(),
  nonce: string = randomBytes(18).toString('base64url'),
): Promise<Readonly<Record<string, string>>> {
  const digest = contentDigest(request.body);
  const fields = await signHttpRequest(
    {
      method: request.method,
      url: normaliseUri(request.url),
      headers: { 'content-digest': digest },
    },
    keyPair,
    { components: AGENT_COMPONENTS, created: Math.floor(now / 1000), nonce },
  );
  return { 'content-digest': digest, ...fields };
}

/**
 * Verifies a request of an agent: Content-Digest of the body, then the signature over exactly
 * {@link AGENT_COMPONENTS} with created (± {@link MAX_CLOCK_SKEW_SECONDS}), nonce and keyid. The caller must
 * still refuse a nonce that it has seen with this key.
 * Refusals: those of {@link checkContentDigest} and {@link verifyHttpSignature}.
 * @param findKey the SPKI PEM of a key id, or undefined when it is unknown or revoked
 * @param now milliseconds since the epoch
 */
export async function verifyAgentRequest(
  request: AgentRequest,
  findKey: (keyId: string) => Promise<string | undefined> | string | undefined,
  now: number = Date.now(),
): Promise<Outcome<VerifiedSignature>> {
  const digest = checkContentDigest(request.headers['content-digest'], request.body);
  if (!digest.ok) return digest;
  return verifyHttpSignature({ ...request, url: normaliseUri(request.url) }, findKey, {
    components: AGENT_COMPONENTS,
    parameters: ['created', 'nonce', 'keyid'],
    now,
    toleranceSeconds: MAX_CLOCK_SKEW_SECONDS,
  });
}

/**
 * The `@target-uri` of a request as a server sees it.
 * @param scheme `http` or `https`, as the client used it (a proxy in front may end TLS)
 * @param host the Host field
 * @param path path and query, as in the request line
 */
export function targetUri(scheme: string, host: string, path: string): string {
  return normaliseUri(`${scheme}://${host}${path}`);
}

// Both ends write the URI in the one form of the WHATWG standard, default ports and case included.
function normaliseUri(uri: string): string {
  return new URL(uri).href;
}
