import { type KeyObject, verify } from 'node:crypto';
import {
  accepted,
  type Envelope,
  type Outcome,
  refused,
  STATEMENT_PAYLOAD_TYPE,
  type Statement,
} from '@sluice/domain';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { idOfKey, type KeyPair, parsePublicKey } from './key-pair.ts';
import { hasExactlyKeys, isJsonObject } from './strict-json.ts';

/** More signatures than this in one envelope are refused. */
export const MAX_SIGNATURES = 8;

/** Longest payload of an envelope that is read. Bytes. */
export const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** A public key that a verifier trusts for what it verifies. */
export interface VerificationKey {
  /** `sha256:…`; must be the id of {@link publicKey}. */
  readonly id: string;
  /** SPKI PEM. */
  readonly publicKey: string;
}

/** What a verified envelope says, and who said it. */
export interface VerifiedEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  /** Ids of the keys that signed, in the envelope's order. */
  readonly keyIds: readonly string[];
}

/**
 * DSSE v1 pre-authentication encoding: `DSSEv1 <len type> <type> <len body> <body>`, lengths in bytes.
 * @see https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.byteLength} `;
  return new Uint8Array(Buffer.concat([Buffer.from(head, 'utf8'), payload]));
}

/** Signs a payload; a text is taken as its UTF-8 bytes. The signature carries no keyid hint. */
export function createEnvelope(
  payloadType: string,
  payload: Uint8Array | string,
  keyPair: KeyPair,
): Envelope {
  const bytes = typeof payload === 'string' ? new Uint8Array(Buffer.from(payload)) : payload;
  const signature = keyPair.sign(preAuthEncoding(payloadType, bytes));
  return {
    payloadType,
    payload: toBase64(bytes),
    signatures: [{ sig: toBase64(signature) }],
  };
}

/** Signs an in-toto statement in its canonical form. */
export function createStatementEnvelope(statement: Statement, keyPair: KeyPair): Envelope {
  return createEnvelope(STATEMENT_PAYLOAD_TYPE, canonicalJson(statement), keyPair);
}

/**
 * Verifies an envelope: every signature on it must be by one of `keys`, so that nothing in it is
 * unsigned. Refusals: `envelope-malformed`, `key-not-trusted` (no trusted key made a signature;
 * a changed payload or signature looks the same when the envelope names no key), `key-unusable`.
 */
export function verifyEnvelope(
  envelope: unknown,
  keys: readonly VerificationKey[],
): Outcome<VerifiedEnvelope> {
  const read = readEnvelope(envelope);
  if (!read.ok) return read;
  const { payloadType, payload, signatures } = read.value;
  const message = preAuthEncoding(payloadType, payload);
  let usable: readonly { readonly id: string; readonly key: KeyObject }[];
  try {
    usable = keys.map(({ id, publicKey }) => ({ id, key: parsePublicKey(publicKey) }));
  } catch (error) {
    return refused('key-unusable', `A key cannot be used: ${(error as Error).message}`);
  }
  const keyIds: string[] = [];
  for (const { sig, keyid } of signatures) {
    const signer = usable.find(({ key }) => verify(null, message, key, sig));
    if (signer !== undefined && idOfKey(signer.key) !== signer.id) {
      return refused('key-unusable', `Key ${signer.id} does not have the id of its public key.`);
    }
    if (signer === undefined) {
      return refused(
        'key-not-trusted',
        'No trusted key made this signature: the content was changed, or another key signed it.',
      );
    }
    if (keyid !== undefined && keyid !== signer.id) {
      return refused('envelope-malformed', `keyid names ${keyid}, but ${signer.id} signed.`);
    }
    keyIds.push(signer.id);
  }
  if (new Set(keyIds).size !== keyIds.length) {
    return refused('envelope-malformed', 'One key signed the envelope twice.');
  }
  return accepted({ payloadType, payload, keyIds });
}

/**
 * Digest by which an envelope's statement (or command) is named: SHA-256 of its payload bytes.
 * @throws SigningError never; a malformed payload gives the digest of what decodes, so verify first
 */
export function statementDigest(envelope: Pick<Envelope, 'payload'>): string {
  return digestOfBytes(new Uint8Array(Buffer.from(envelope.payload, 'base64')));
}

interface ReadEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly { readonly sig: Uint8Array; readonly keyid: string | undefined }[];
}

function readEnvelope(value: unknown): Outcome<ReadEnvelope> {
  const malformed = (what: string): Outcome<ReadEnvelope> =>
    refused('envelope-malformed', `This is no DSSE envelope: ${what}.`);
  if (!isJsonObject(value)) return malformed('it is no object');
  if (!hasExactlyKeys(value, ['payloadType', 'payload', 'signatures'])) {
    return malformed('it must have payloadType, payload and signatures, and nothing else');
  }
  const { payloadType, payload, signatures } = value;
  if (typeof payloadType !== 'string' || payloadType.length === 0 || payloadType.length > 256) {
    return malformed('payloadType must be a text of 1 to 256 characters');
  }
  const bytes = fromBase64(payload, MAX_PAYLOAD_BYTES);
  if (bytes === undefined) return malformed('payload must be standard base64 with padding');
  if (!Array.isArray(signatures) || signatures.length < 1 || signatures.length > MAX_SIGNATURES) {
    return malformed(`signatures must be a list of 1 to ${MAX_SIGNATURES}`);
  }
  const read: { sig: Uint8Array; keyid: string | undefined }[] = [];
  for (const item of signatures as unknown[]) {
    if (!isJsonObject(item) || !hasExactlyKeys(item, ['sig'], ['keyid'])) {
      return malformed('a signature must have sig, at most keyid besides');
    }
    const sig = fromBase64(item['sig'], 64);
    const keyid = item['keyid'];
    if (sig?.byteLength !== 64) return malformed('sig must be 64 bytes in standard base64');
    if (keyid !== undefined && typeof keyid !== 'string') return malformed('keyid must be a text');
    read.push({ sig, keyid });
  }
  return accepted({ payloadType, payload: bytes, signatures: read });
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Only the one base64 text that bytes have: bits that decoding drops could be changed unseen. */
function fromBase64(value: unknown, maxBytes: number): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length > Math.ceil(maxBytes / 3) * 4) return undefined;
  const bytes = Buffer.from(value, 'base64');
  return bytes.toString('base64') === value ? new Uint8Array(bytes) : undefined;
}
