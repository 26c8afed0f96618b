import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { accepted, isName, type Outcome, refused } from '@sluice/domain';
import { canonicalJson } from './canonical-json.ts';

/** Length of an enrolment key. Bytes. */
export const ENROLMENT_KEY_BYTES = 32;

/** What a one-time enrolment token says. */
export interface EnrolmentClaim {
  readonly tenantId: string;
  readonly target: string;
  /** Random, so that the token can be used up. */
  readonly id: string;
  /** RFC 3339 in UTC. */
  readonly expiresAt: string;
}

const MAX_TOKEN = 2048;
const ID = /^[A-Za-z0-9_-]{8,64}$/;

/**
 * Makes a token: base64url of the canonical claim, a dot, base64url of its HMAC-SHA256.
 * @param key {@link ENROLMENT_KEY_BYTES} bytes that the API holds too
 * @throws TypeError for a claim or key of another form
 */
export function mintEnrolmentToken(claim: EnrolmentClaim, key: Uint8Array): string {
  const { tenantId, target, id, expiresAt } = claim;
  if (!isClaim(claim)) throw new TypeError('mintEnrolmentToken: the claim has another form.');
  const text = canonicalJson({ tenantId, target, id, expiresAt });
  return `${toBase64Url(utf8ToBytes(text))}.${toBase64Url(codeOf(text, key))}`;
}

/**
 * Reads a token. Whether it was used before is for the records to say.
 * Refusals: `enrolment-token-invalid`, `enrolment-token-expired`.
 * @param now milliseconds since the epoch
 * @throws TypeError for a key of another length
 */
export function verifyEnrolmentToken(
  token: string,
  key: Uint8Array,
  now: number,
): Outcome<EnrolmentClaim> {
  const [body, code, ...rest] = token.length > MAX_TOKEN ? [] : token.split('.');
  const text = body === undefined ? undefined : fromBase64Url(body);
  const given = code === undefined ? undefined : fromBase64Url(code);
  if (text === undefined || given === undefined || rest.length > 0) return invalid();
  const claimText = new TextDecoder().decode(text);
  if (!isSame(given, codeOf(claimText, key))) return invalid();
  const claim = JSON.parse(claimText) as EnrolmentClaim;
  if (!isClaim(claim)) return invalid();
  if (!(now < Date.parse(claim.expiresAt))) {
    return refused(
      'enrolment-token-expired',
      `The enrolment token expired at ${claim.expiresAt}; make a new one with \`sluice agent enroll-token\`.`,
    );
  }
  return accepted(claim);
}

function invalid(): Outcome<EnrolmentClaim> {
  return refused(
    'enrolment-token-invalid',
    'This is no enrolment token of this control plane; make one with `sluice agent enroll-token`.',
  );
}

function isClaim(claim: EnrolmentClaim): boolean {
  const { tenantId, target, id, expiresAt } = claim;
  return isName(tenantId) && isName(target) && ID.test(id) && !Number.isNaN(Date.parse(expiresAt));
}

function codeOf(text: string, key: Uint8Array): Uint8Array {
  if (key.length !== ENROLMENT_KEY_BYTES) {
    throw new TypeError(`An enrolment key has ${ENROLMENT_KEY_BYTES} bytes, not ${key.length}.`);
  }
  return hmac(sha256, key, utf8ToBytes(text));
}

/** Takes the same time wherever the first difference is. */
function isSame(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0);
  return difference === 0;
}

function toBase64Url(bytes: Uint8Array): string {
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Only the one text that these bytes have: bits that decoding drops could be changed unseen. */
function fromBase64Url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    return toBase64Url(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
