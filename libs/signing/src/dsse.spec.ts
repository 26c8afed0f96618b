import { expect, test } from '@jest/globals';
import { STATEMENT_PAYLOAD_TYPE } from '@sluice/domain';
import { createEnvelope, preAuthEncoding, statementDigest, verifyEnvelope } from './dsse.ts';
import { generateKeyPair } from './key-pair.ts';

const pair = generateKeyPair();
const keys = [{ id: pair.keyId, publicKey: pair.publicKey }];

function codeOf(outcome: ReturnType<typeof verifyEnvelope>): string {
  return outcome.ok ? 'ok' : outcome.refusal.code;
}

test("the pre-authentication encoding is the DSSE document's own example", () => {
  const encoded = preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
  expect(Buffer.from(encoded).toString()).toBe(
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  );
});

test('lengths are counted in bytes', () => {
  const encoded = preAuthEncoding('tÿpe', Buffer.from('é'));
  expect(Buffer.from(encoded).toString()).toBe('DSSEv1 5 tÿpe 2 é');
});

test('an envelope verifies with its key and gives the payload back', () => {
  const envelope = createEnvelope(STATEMENT_PAYLOAD_TYPE, '{"a":1}', pair);
  const outcome = verifyEnvelope(envelope, keys);
  expect(outcome.ok && Buffer.from(outcome.value.payload).toString()).toBe('{"a":1}');
  expect(outcome.ok && outcome.value.keyIds).toEqual([pair.keyId]);
  expect(envelope.signatures[0]).not.toHaveProperty('keyid');
});

test('the digest of a statement is that of its payload bytes', () => {
  const envelope = createEnvelope('t', 'abc', pair);
  expect(statementDigest(envelope)).toBe(
    'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

test('another key, another payload or another payload type is not trusted', () => {
  const envelope = createEnvelope('t', 'abc', pair);
  expect(codeOf(verifyEnvelope(createEnvelope('t', 'abc', generateKeyPair()), keys))).toBe(
    'key-not-trusted',
  );
  expect(codeOf(verifyEnvelope({ ...envelope, payloadType: 'u' }, keys))).toBe('key-not-trusted');
  expect(codeOf(verifyEnvelope({ ...envelope, payload: 'YWJk' }, keys))).toBe('key-not-trusted');
  expect(codeOf(verifyEnvelope(envelope, []))).toBe('key-not-trusted');
});

test('a second signature that nobody trusted made is refused with the rest', () => {
  const envelope = createEnvelope('t', 'abc', pair);
  const other = createEnvelope('t', 'abc', generateKeyPair());
  const signatures = [...envelope.signatures, ...other.signatures];
  expect(codeOf(verifyEnvelope({ ...envelope, signatures }, keys))).toBe('key-not-trusted');
});

test('a key that has another id than it says is unusable', () => {
  const envelope = createEnvelope('t', 'abc', pair);
  const wrong = [{ id: generateKeyPair().keyId, publicKey: pair.publicKey }];
  expect(codeOf(verifyEnvelope(envelope, wrong))).toBe('key-unusable');
});

const envelope = createEnvelope('t', 'abcd', pair);
const [signature] = envelope.signatures;
test.each([
  ['null', null],
  ['a list', []],
  ['no signatures', { ...envelope, signatures: [] }],
  ['too many signatures', { ...envelope, signatures: Array(9).fill(signature) }],
  ['the same signature twice', { ...envelope, signatures: [signature, signature] }],
  ['an unknown member', { ...envelope, more: 1 }],
  ['an unknown member of a signature', { ...envelope, signatures: [{ ...signature, x: 1 }] }],
  ['a foreign keyid', { ...envelope, signatures: [{ ...signature, keyid: 'me' }] }],
  ['base64 with bits that decoding drops', { ...envelope, payload: 'YWJjZB==' }],
  ['base64url', { ...envelope, payload: 'YWJj_w==' }],
  ['base64 without padding', { ...envelope, payload: 'YWJjZA' }],
  ['base64 with a line break', { ...envelope, payload: 'YWJj\nZA==' }],
  ['a short signature', { ...envelope, signatures: [{ sig: 'YWJjZA==' }] }],
  ['an empty payload type', { ...envelope, payloadType: '' }],
])('%s is malformed', (_, value) => {
  expect(codeOf(verifyEnvelope(value, keys))).toBe('envelope-malformed');
});
