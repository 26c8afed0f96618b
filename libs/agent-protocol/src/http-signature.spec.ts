import { createPrivateKey, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { generateKeyPair, type KeyPair } from '@sluice/signing';
import { signAgentRequest, targetUri, verifyAgentRequest } from './agent-request.ts';
import { contentDigest } from './content-digest.ts';
import { signHttpRequest, verifyHttpSignature } from './http-signature.ts';

/** RFC 9421 Appendix B.1.4, test-key-ed25519. */
const PUBLIC_KEY = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
`;
const PRIVATE_KEY = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
`;

describe('RFC 9421 Appendix B.2.6', () => {
  const components = ['date', '@method', '@path', '@authority', 'content-type', 'content-length'];
  const input =
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")' +
    ';created=1618884473;keyid="test-key-ed25519"';
  const signature =
    'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==';
  const request = {
    method: 'POST',
    url: 'https://example.com/foo?param=Value&Pet=dog',
    headers: {
      host: 'example.com',
      date: 'Tue, 20 Apr 2021 02:07:55 GMT',
      'content-type': 'application/json',
      'content-length': '18',
      'signature-input': input,
      signature: `sig-b26=:${signature}:`,
    },
  };
  const requirements = {
    components,
    parameters: ['created', 'keyid'],
    now: 1618884473_000,
    toleranceSeconds: 60,
  };
  const findKey = (id: string) => (id === 'test-key-ed25519' ? PUBLIC_KEY : undefined);

  test('its signature verifies', async () => {
    expect(await verifyHttpSignature(request, findKey, requirements)).toEqual({
      ok: true,
      value: { keyId: 'test-key-ed25519', nonce: '', created: 1618884473 },
    });
  });

  test('its signature base gives the same bytes with its private key', () => {
    const base = [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@authority": example.com',
      '"content-type": application/json',
      '"content-length": 18',
      `"@signature-params": ${input.slice('sig-b26='.length)}`,
    ].join('\n');
    const made = sign(null, Buffer.from(base), createPrivateKey(PRIVATE_KEY));
    expect(made.toString('base64')).toBe(signature);
  });

  test.each([
    ['another method', { ...request, method: 'PUT' }],
    ['another path', { ...request, url: 'https://example.com/fo' }],
    ['another field', { ...request, headers: { ...request.headers, 'content-length': '19' } }],
  ])('with %s it does not', async (_, changed) => {
    const outcome = await verifyHttpSignature(changed, findKey, requirements);
    expect(!outcome.ok && outcome.refusal.code).toBe('signature-invalid');
  });
});

describe('a request of an agent', () => {
  const pair = generateKeyPair();
  const now = Date.parse('2026-11-21T12:00:00Z');
  const body = new Uint8Array(Buffer.from('{"hello": "world"}'));
  const bare = { method: 'POST', url: 'http://127.0.0.1:8080/agent/v1/reports?x=1', body };
  const find = (id: string) => (id === pair.keyId ? pair.publicKey : undefined);

  async function signed(key: KeyPair = pair, nonce = 'n-1') {
    return { ...bare, headers: await signAgentRequest(bare, key, now, nonce) };
  }
  async function codeOf(request: Parameters<typeof verifyAgentRequest>[0], at = now) {
    const outcome = await verifyAgentRequest(request, find, at);
    return outcome.ok ? 'ok' : outcome.refusal.code;
  }

  test('verifies, and says who, when and with which nonce', async () => {
    expect(await verifyAgentRequest(await signed(), find, now)).toEqual({
      ok: true,
      value: { keyId: pair.keyId, nonce: 'n-1', created: now / 1000 },
    });
  });

  test('an empty body is signed too', async () => {
    const get = { method: 'GET', url: bare.url, body: new Uint8Array() };
    const headers = await signAgentRequest(get, pair, now);
    expect(await codeOf({ ...get, headers })).toBe('ok');
    expect(await codeOf({ ...get, headers, body })).toBe('content-digest-mismatch');
  });

  test('two requests of one agent never have the same nonce by themselves', async () => {
    const [a, b] = [await signAgentRequest(bare, pair), await signAgentRequest(bare, pair)];
    expect(a['signature-input']).not.toBe(b['signature-input']);
  });

  test('the server composes the same address from what it sees', async () => {
    const request = await signed();
    const url = targetUri('http', '127.0.0.1:8080', '/agent/v1/reports?x=1');
    expect(await codeOf({ ...request, url })).toBe('ok');
    const elsewhere = targetUri('http', '127.0.0.1:8081', '/agent/v1/reports?x=1');
    expect(await codeOf({ ...request, url: elsewhere })).toBe('signature-invalid');
  });

  test.each([
    [-61, 'signature-stale'],
    [-60, 'ok'],
    [60, 'ok'],
    [61, 'signature-stale'],
  ])('%i seconds off the clock: %s', async (seconds, code) => {
    expect(await codeOf(await signed(), now + seconds * 1000)).toBe(code);
  });

  test('another method, address, body or key is refused', async () => {
    const request = await signed();
    expect(await codeOf({ ...request, method: 'GET' })).toBe('signature-invalid');
    expect(await codeOf({ ...request, url: `${request.url}2` })).toBe('signature-invalid');
    const other = new Uint8Array(Buffer.from('{}'));
    expect(await codeOf({ ...request, body: other })).toBe('content-digest-mismatch');
    expect(await codeOf(await signed(generateKeyPair()))).toBe('key-unknown');
  });

  test('a signature by another key under this key id is refused', async () => {
    const impostor = { ...generateKeyPair(), keyId: pair.keyId };
    expect(await codeOf(await signed(impostor))).toBe('signature-invalid');
  });

  test('a public key that is none is a refusal, not a throw', async () => {
    const outcome = await verifyAgentRequest(await signed(), () => 'rubbish', now);
    expect(!outcome.ok && outcome.refusal.code).toBe('signature-malformed');
  });

  test('a nonce must have 1 to 128 characters', async () => {
    expect(await codeOf(await signed(pair, 'n'.repeat(128)))).toBe('ok');
    expect(await codeOf(await signed(pair, 'n'.repeat(129)))).toBe('signature-malformed');
    expect(await codeOf(await signed(pair, ''))).toBe('signature-incomplete');
  });

  test.each([
    ['fewer components', ['@method', 'content-digest']],
    ['more components', ['@method', '@target-uri', 'content-digest', 'host']],
    ['other components', ['@method', '@path', 'content-digest']],
    ['none', []],
  ])('%s are refused', async (_, components) => {
    const request = await signed();
    const headers = { 'content-digest': contentDigest(body), host: '127.0.0.1:8080' };
    const options = { components, created: now / 1000, nonce: 'n' };
    const fields = await signHttpRequest({ ...request, headers }, pair, options);
    expect(await codeOf({ ...request, headers: { ...headers, ...fields } })).toBe(
      'signature-incomplete',
    );
  });

  test('fields that are not there or not understood are refused', async () => {
    const { headers, ...request } = await signed();
    const input = headers['signature-input'] ?? '';
    const change = (more: Record<string, string>) =>
      codeOf({ ...request, headers: { ...headers, ...more } });
    const { signature: _, ...unsigned } = headers;
    expect(await codeOf({ ...request, headers: unsigned })).toBe('signature-missing');
    expect(await change({ 'signature-input': `${input}, ${input.replace('sluice', 'b')}` })).toBe(
      'signature-malformed',
    );
    for (const odd of [
      '',
      'sluice',
      input.replace('sluice=', 'other='),
      input.replace('"@method"', '"@method";req'),
      input.replace('"@method"', '"@method" "@method"'),
      `${input};tag="x"`,
      `${input};created=1`,
      `${input};alg="hmac-sha256"`,
      input.replace(/created=\d+/, 'created="x"'),
      input.replace(/keyid="[^"]+"/, 'keyid=1'),
    ]) {
      expect(await change({ 'signature-input': odd })).toBe('signature-malformed');
    }
    for (const odd of [
      '',
      'sluice=:AAAA:',
      'sluice=x',
      `other=${headers['signature']?.slice(7)}`,
    ]) {
      expect(await change({ signature: odd })).toBe('signature-malformed');
    }
    // Understood, but it is not what was signed.
    expect(await change({ 'signature-input': `${input};alg="ed25519"` })).toBe('signature-invalid');
    expect(await change({ 'signature-input': input.replace('n-1', 'n-2') })).toBe(
      'signature-invalid',
    );
  });
});
