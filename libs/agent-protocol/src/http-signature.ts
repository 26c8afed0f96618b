import { verify } from 'node:crypto';
import { accepted, type Outcome, refused } from '@sluice/domain';
import { type KeyPair, parsePublicKey } from '@sluice/signing';
import { httpbis } from 'http-message-signatures';
import { parseSignatureInput } from './signature-input.ts';

/** What is signed of a request: method, absolute URI and header fields. */
export interface SignableRequest {
  readonly method: string;
  /** `@target-uri`: absolute, as the client asked for it. */
  readonly url: string;
  /** Names in lower case; one text per field. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What a signature must cover and say. */
export interface SignatureRequirements {
  /** Exactly these, in any order. */
  readonly components: readonly string[];
  /** Parameters that must be there. Those of {@link KNOWN_PARAMETERS} may be, others may not. */
  readonly parameters: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How far `created` may be from `now`, to either side. Seconds. */
  readonly toleranceSeconds: number;
}

/** Who signed, when, and the value that may be used once. */
export interface VerifiedSignature {
  readonly keyId: string;
  /** Empty where the requirements do not ask for one. */
  readonly nonce: string;
  /** Seconds since the epoch. */
  readonly created: number;
}

/** Parameters of RFC 9421 that are understood here. */
export const KNOWN_PARAMETERS: readonly string[] = ['created', 'nonce', 'keyid', 'alg'];

/** Longest nonce that is taken. Characters. */
export const MAX_NONCE = 128;

/**
 * Signs with ed25519 (RFC 9421 section 3.3.6) and returns the two header fields to add.
 * @param created seconds since the epoch
 */
export async function signHttpRequest(
  request: SignableRequest,
  keyPair: KeyPair,
  options: { readonly components: readonly string[]; created: number; nonce: string },
): Promise<{ readonly signature: string; readonly 'signature-input': string }> {
  const signed = await httpbis.signMessage(
    {
      name: 'sluice',
      fields: [...options.components],
      params: ['created', 'nonce', 'keyid'],
      paramValues: {
        created: new Date(options.created * 1000),
        nonce: options.nonce,
        keyid: keyPair.keyId,
      },
      key: {
        id: keyPair.keyId,
        sign: (data: Buffer) => Promise.resolve(Buffer.from(keyPair.sign(data))),
      },
    },
    { method: request.method, url: request.url, headers: { ...request.headers } },
  );
  const headers = signed.headers as Record<string, string>;
  return {
    signature: headers['Signature'] ?? '',
    'signature-input': headers['Signature-Input'] ?? '',
  };
}

/**
 * Verifies the one ed25519 signature of a request. The form is checked here (exact components, parameters,
 * time); the signature base is built by the library from the same fields.
 * Refusals: `signature-missing`, `signature-malformed`, `signature-incomplete`, `signature-stale`,
 * `key-unknown`, `signature-invalid`.
 * @param findKey the SPKI PEM of a key id, or undefined when it is unknown or revoked
 */
export async function verifyHttpSignature(
  request: SignableRequest,
  findKey: (keyId: string) => Promise<string | undefined> | string | undefined,
  requirements: SignatureRequirements,
): Promise<Outcome<VerifiedSignature>> {
  const { signature, 'signature-input': inputField } = request.headers;
  if (signature === undefined || inputField === undefined) {
    return refused('signature-missing', 'The request is not signed (RFC 9421); sign it.');
  }
  const input = parseSignatureInput(inputField);
  if (!input.ok) return input;
  const { label, components, parameters } = input.value;
  const prefix = `${label}=:`;
  if (
    !signature.startsWith(prefix) ||
    !/^[A-Za-z0-9+/]{86}==:$/.test(signature.slice(prefix.length))
  ) {
    return refused('signature-malformed', 'Signature must hold the 64 bytes of one signature.');
  }
  const said = checkRequirements(components, parameters, requirements);
  if (!said.ok) return said;
  const publicKey = await findKey(said.value.keyId);
  if (publicKey === undefined) {
    return refused('key-unknown', `Key ${said.value.keyId} is not known here, or was revoked.`);
  }
  let genuine: boolean | null;
  try {
    const key = parsePublicKey(publicKey);
    genuine = await httpbis.verifyMessage(
      {
        keyLookup: () =>
          Promise.resolve({
            id: said.value.keyId,
            verify: (data: Buffer, given: Buffer) =>
              Promise.resolve(verify(null, data, key, given)),
          }),
        // Time was checked above, against the caller's clock.
        notAfter: Number.MAX_SAFE_INTEGER,
      },
      { method: request.method, url: request.url, headers: { ...request.headers } },
    );
  } catch (error) {
    const what = `The signature cannot be checked: ${(error as Error).message}.`;
    return refused('signature-malformed', what);
  }
  if (genuine !== true) {
    return refused(
      'signature-invalid',
      `Key ${said.value.keyId} did not sign this request (method, address or body differ).`,
    );
  }
  return said;
}

function checkRequirements(
  components: readonly string[],
  parameters: ReadonlyMap<string, string | number>,
  requirements: SignatureRequirements,
): Outcome<VerifiedSignature> {
  const wanted = requirements.components;
  if (components.length !== wanted.length || !wanted.every((name) => components.includes(name))) {
    return refused(
      'signature-incomplete',
      `The signature covers ${components.join(' ')}; it must cover exactly ${wanted.join(' ')}.`,
    );
  }
  const missing = requirements.parameters.find((name) => !parameters.has(name));
  if (missing !== undefined) {
    return refused('signature-incomplete', `The signature has no parameter ${missing}.`);
  }
  const unknown = [...parameters.keys()].find((name) => !KNOWN_PARAMETERS.includes(name));
  if (unknown !== undefined) {
    return refused('signature-malformed', `Signature parameter ${unknown} is not understood.`);
  }
  if (parameters.has('alg') && parameters.get('alg') !== 'ed25519') {
    return refused('signature-malformed', 'The signature has an algorithm other than ed25519.');
  }
  const created = parameters.get('created');
  const keyId = parameters.get('keyid');
  const nonce = parameters.get('nonce') ?? '';
  if (typeof created !== 'number' || typeof keyId !== 'string' || typeof nonce !== 'string') {
    return refused('signature-malformed', 'created must be an integer, keyid and nonce texts.');
  }
  if (
    requirements.parameters.includes('nonce') &&
    !(nonce.length > 0 && nonce.length <= MAX_NONCE)
  ) {
    return refused('signature-malformed', `nonce must have 1 to ${MAX_NONCE} characters.`);
  }
  const skew = requirements.now / 1000 - created;
  if (!(Math.abs(skew) <= requirements.toleranceSeconds)) {
    const direction = skew > 0 ? 'ago' : 'in the future';
    return refused(
      'signature-stale',
      `The request was signed ${Math.abs(Math.round(skew))} s ${direction}; at most ` +
        `${requirements.toleranceSeconds} s are accepted. Set the clocks of both hosts.`,
    );
  }
  return accepted({ keyId, nonce, created });
}
