import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { canonicalJson } from '@sluice/pure';
import { tenantOfWorkflowId } from '@sluice/temporal-contract';
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import proto from '@temporalio/proto';
import { CodecError } from './codec-error.ts';
import type { CodecKey, CodecKeys } from './codec-keys.ts';

/** The metadata field `encoding` of every payload that Sluice stores in the engine. */
export const CODEC_ENCODING = 'binary/sluice-aes256gcm-v1';

const KEY_ID_FIELD = 'sluice-key-id';
/**
 * What the engine itself writes, as plain JSON, when an activity is cancelled that no worker had begun. Refusing it would
 * fail the workflow's task for ever; a fixed text says nothing and can be forged to no end.
 */
const ENGINE_NOTE = '"ACTIVITY_ID_NOT_STARTED"';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

/**
 * Encrypts every payload whole (data and metadata) with AES-256-GCM under the key of its tenant, which the workflow's id names.
 * Stored data is nonce (12 random bytes), ciphertext, tag (16); the metadata that stays readable and the tenant are
 * authenticated with it. There is no way past it: what has no tenant or no key is not encoded, and what is not
 * encrypted, damaged or another tenant's is not decoded. The one exception: one fixed note of the engine's own.
 *
 * A key should encode fewer than 2^32 payloads (NIST SP 800-38D, random nonces): give the tenant a new one before, and keep the old
 * under `previous`.
 *
 * The codec throws {@link CodecError}.
 */
export function createPayloadCodec(keys: CodecKeys): PayloadCodec {
  return {
    encode: (payloads, context) => {
      return settle(() => {
        if (payloads.length === 0) return [];
        const key = keyForEncoding(keys, context);
        return payloads.map((payload) => encrypt(payload, key));
      });
    },
    decode: (payloads, context) => {
      return settle(() => payloads.map((payload) => decrypt(payload, keys, context)));
    },
  };
}

function settle(work: () => Payload[]): Promise<Payload[]> {
  return new Promise((resolve) => resolve(work()));
}

function keyForEncoding(keys: CodecKeys, context: SerializationContext | undefined): CodecKey {
  const tenantId = tenantOfContext(context);
  if (tenantId === undefined) {
    throw new CodecError(
      'codec-tenant-unknown',
      `Workflow id "${context?.workflowId ?? ''}" names no tenant, so no key can be chosen and nothing is sent; ` +
        'use promotion/<tenant>/… or release-request/<tenant>/….',
    );
  }
  const key = keys.current.get(tenantId);
  if (key === undefined) {
    throw new CodecError(
      'codec-key-missing',
      `There is no codec key for tenant ${tenantId}, so nothing is sent; add it to the file that SLUICE_CODEC_KEYS names.`,
    );
  }
  return key;
}

function encrypt(payload: Payload, { key, keyId, tenantId }: CodecKey): Payload {
  const metadata = {
    encoding: Buffer.from(CODEC_ENCODING),
    [KEY_ID_FIELD]: Buffer.from(keyId),
  };
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(additionalData(metadata, tenantId));
  const plain = PayloadMessage.encode(payload).finish();
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return { metadata, data: Buffer.concat([nonce, sealed, cipher.getAuthTag()]) };
}

function decrypt(
  payload: Payload,
  keys: CodecKeys,
  context: SerializationContext | undefined,
): Payload {
  if (isEngineNote(payload)) return payload;
  const metadata = payload.metadata ?? {};
  const where = context?.workflowId ?? 'an unknown workflow';
  if (textOf(metadata.encoding) !== CODEC_ENCODING) {
    throw new CodecError(
      'codec-payload-plain',
      `A payload of ${where} is not encrypted (encoding "${textOf(metadata.encoding)}"), so it is not believed; ` +
        'send it through a client that has the codec.',
    );
  }
  const keyId = textOf(metadata[KEY_ID_FIELD]);
  const key = keys.all.get(keyId);
  if (key === undefined) {
    throw new CodecError(
      'codec-key-unknown',
      `A payload of ${where} was encrypted with key "${keyId}", which is not known here; ` +
        'put it under "previous" in the file that SLUICE_CODEC_KEYS names.',
    );
  }
  const tenantId = tenantOfContext(context);
  if (tenantId !== undefined && tenantId !== key.tenantId) {
    throw new CodecError(
      'codec-tenant-mismatch',
      `A payload of ${where} is encrypted with a key of tenant ${key.tenantId}: it was put there by somebody else.`,
    );
  }
  try {
    return PayloadMessage.decode(open(payload.data ?? new Uint8Array(), metadata, key));
  } catch (error) {
    throw new CodecError(
      'codec-payload-damaged',
      `A payload of ${where} does not open with key "${keyId}": it or its metadata was changed.`,
      error,
    );
  }
}

function isEngineNote({ metadata, data }: Payload): boolean {
  return textOf(metadata?.encoding) === 'json/plain' && textOf(data) === ENGINE_NOTE;
}

function open(data: Uint8Array, metadata: Metadata, { key, tenantId }: CodecKey): Uint8Array {
  if (data.length < NONCE_BYTES + TAG_BYTES) throw new RangeError('too short');
  const nonce = data.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(metadata, tenantId));
  decipher.setAuthTag(data.subarray(data.length - TAG_BYTES));
  const sealed = data.subarray(NONCE_BYTES, data.length - TAG_BYTES);
  return Buffer.concat([decipher.update(sealed), decipher.final()]);
}

type Metadata = NonNullable<Payload['metadata']>;

/** All of the metadata, whatever fields it has: adding one breaks the seal like changing one. */
function additionalData(metadata: Metadata, tenantId: string): Buffer {
  const fields = Object.entries(metadata).map(([name, value]) => [name, textOf(value)]);
  return Buffer.from(canonicalJson({ tenantId, metadata: Object.fromEntries(fields) }));
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes == null ? '' : Buffer.from(bytes).toString('latin1');
}

function tenantOfContext(context: SerializationContext | undefined): string | undefined {
  const workflowId = context?.workflowId;
  return workflowId === undefined ? undefined : tenantOfWorkflowId(workflowId);
}
