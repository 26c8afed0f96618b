import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { Payload, SerializationContext } from '@temporalio/common';
import { parseCodecKeys } from './codec-keys.ts';
import { CODEC_ENCODING, createPayloadCodec } from './payload-codec.ts';

const entry = (keyId: string) => ({ keyId, key: randomBytes(32).toString('base64') });
const old = { tenant: 'acme', ...entry('acme-0') };
const file = { tenants: { acme: entry('acme-1'), beta: entry('beta-1') }, previous: [old] };
const codec = createPayloadCodec(parseCodecKeys(file));

const of = (workflowId: string): SerializationContext => ({
  type: 'workflow',
  namespace: 'sluice',
  workflowId,
});
const acme = of('promotion/acme/dev/1');
const beta = of('release-request/beta/7');
const plain: Payload = {
  metadata: { encoding: Buffer.from('json/plain'), messageType: Buffer.from('secret.Type') },
  data: Buffer.from('{"token":"s3cret"}'),
};

async function encodeOne(payload: Payload = plain, context = acme): Promise<Payload> {
  const [encoded] = await codec.encode([payload], context);
  if (encoded === undefined) throw new Error('nothing was encoded');
  return encoded;
}

const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString();

function changed(bytes: Uint8Array | null | undefined, index: number): Uint8Array {
  const copy = Uint8Array.from(bytes ?? []);
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}

describe('encoding', () => {
  test('data and metadata come back whole, and neither shows', async () => {
    const encoded = await encodeOne();
    expect(text(encoded.metadata?.encoding)).toBe(CODEC_ENCODING);
    expect(text(encoded.metadata?.['sluice-key-id'])).toBe('acme-1');
    expect(Object.keys(encoded.metadata ?? {})).toHaveLength(2);
    expect(text(encoded.data)).not.toMatch(/s3cret|secret/);
    const [decoded] = await codec.decode([encoded], acme);
    expect(text(decoded?.data)).toBe(text(plain.data));
    expect(text(decoded?.metadata?.messageType)).toBe('secret.Type');
  });

  test('the same payload never looks the same', async () => {
    const [a, b] = await codec.encode([plain, plain], acme);
    expect(text(a?.data)).not.toBe(text(b?.data));
  });

  test('each tenant has its key, chosen by the workflow id, for activities too', async () => {
    const activity: SerializationContext = {
      type: 'activity',
      namespace: 'sluice',
      activityId: '3',
      workflowId: 'promotion/beta/dev/1',
      isLocal: false,
    };
    const encoded = await encodeOne(plain, activity);
    expect(text(encoded.metadata?.['sluice-key-id'])).toBe('beta-1');
  });

  test.each([
    ['a foreign workflow id', of('somebody-else'), 'codec-tenant-unknown'],
    ['no context', undefined, 'codec-tenant-unknown'],
    ['a tenant without a key', of('promotion/nobody/dev/1'), 'codec-key-missing'],
    ['a tenant named like a built-in', of('promotion/constructor/dev/1'), 'codec-key-missing'],
  ])('%s is refused, never sent plain', async (_what, context, code) => {
    await expect(codec.encode([plain], context)).rejects.toMatchObject({ code });
  });

  test('nothing to encode needs no tenant', async () => {
    expect(await codec.encode([], undefined)).toEqual([]);
  });
});

describe('decoding', () => {
  test('a previous key still decodes, and without a context the key id is enough', async () => {
    const before = createPayloadCodec(parseCodecKeys({ tenants: { acme: old } }));
    const encoded = await before.encode([plain], acme);
    const [decoded] = await codec.decode(encoded, undefined);
    expect(text(decoded?.data)).toBe(text(plain.data));
  });

  test('a plain payload is not believed', async () => {
    await expect(codec.decode([plain], acme)).rejects.toMatchObject({
      code: 'codec-payload-plain',
    });
    await expect(codec.decode([{ data: plain.data ?? null }], acme)).rejects.toMatchObject({
      code: 'codec-payload-plain',
    });
  });

  test("the engine's own note passes, and nothing that only looks like it", async () => {
    const metadata = { encoding: Buffer.from('json/plain') };
    const note: Payload = { metadata, data: Buffer.from('"ACTIVITY_ID_NOT_STARTED"') };
    expect(await codec.decode([note], acme)).toEqual([note]);
    for (const data of ['"ACTIVITY_ID_NOT_STARTED" ', '{"ACTIVITY_ID_NOT_STARTED":1}', '""']) {
      await expect(
        codec.decode([{ metadata, data: Buffer.from(data) }], acme),
      ).rejects.toMatchObject({ code: 'codec-payload-plain' });
    }
  });

  test("another tenant's payload is refused", async () => {
    const encoded = await encodeOne(plain, beta);
    await expect(codec.decode([encoded], acme)).rejects.toMatchObject({
      code: 'codec-tenant-mismatch',
    });
  });

  test('an unknown key is named', async () => {
    const stranger = createPayloadCodec(parseCodecKeys({ tenants: { acme: entry('acme-9') } }));
    const encoded = await stranger.encode([plain], acme);
    await expect(codec.decode(encoded, acme)).rejects.toMatchObject({
      code: 'codec-key-unknown',
      message: expect.stringContaining('acme-9'),
    });
  });

  test('every changed byte is noticed', async () => {
    const encoded = await encodeOne();
    for (let index = 0; index < (encoded.data?.length ?? 0); index += 1) {
      const data = changed(encoded.data, index);
      await expect(codec.decode([{ ...encoded, data }], acme)).rejects.toMatchObject({
        code: 'codec-payload-damaged',
      });
    }
  });

  test.each([0, 5, 27])('%i bytes are too few', async (length) => {
    const encoded = await encodeOne();
    const data = (encoded.data ?? new Uint8Array()).slice(0, length);
    await expect(codec.decode([{ ...encoded, data }], acme)).rejects.toMatchObject({
      code: 'codec-payload-damaged',
    });
  });

  test('the metadata is bound: another key id of the same tenant or a field more breaks the seal', async () => {
    const encoded = await encodeOne();
    for (const more of [{ 'sluice-key-id': Buffer.from('acme-0') }, { note: Buffer.from('x') }]) {
      const metadata = { ...encoded.metadata, ...more };
      await expect(codec.decode([{ ...encoded, metadata }], acme)).rejects.toMatchObject({
        code: 'codec-payload-damaged',
      });
    }
  });
});
