import { expect, test } from '@jest/globals';
import { generateKeyPair } from './key-pair.ts';
import { createTrustRoot, listTrustedKeys, parseTrustRoot } from './trust-root.ts';

const evidence = generateKeyPair();
const command = generateKeyPair();
const root = createTrustRoot([
  {
    publicKey: evidence.publicKey,
    use: 'evidence',
    notBefore: '2026-01-01T00:00:00Z',
    notAfter: '2027-01-01T00:00:00Z',
  },
  { publicKey: command.publicKey, use: 'command', notBefore: '2026-01-01T00:00:00Z' },
]);
const [first] = root.keys;

test('a root survives its own JSON', () => {
  expect(parseTrustRoot(JSON.stringify(root))).toEqual(root);
});

test('keys are listed by use and by validity: notBefore counts, notAfter does not', () => {
  const idsAt = (at: string) => listTrustedKeys(root, 'evidence', Date.parse(at)).map((k) => k.id);
  expect(idsAt('2025-12-31T23:59:59.999Z')).toEqual([]);
  expect(idsAt('2026-01-01T00:00:00Z')).toEqual([evidence.keyId]);
  expect(idsAt('2027-01-01T00:00:00Z')).toEqual([]);
  expect(listTrustedKeys(root, 'command', Date.now()).map((k) => k.id)).toEqual([command.keyId]);
});

test.each([
  ['no JSON', '{'],
  ['another schema', { ...root, schema: 'x' }],
  ['no keys', { ...root, keys: [] }],
  ['an unknown member', { ...root, more: 1 }],
  ['a key twice', { ...root, keys: [first, first] }],
  ['a foreign id', { ...root, keys: [{ ...first, id: command.keyId }] }],
  ['another algorithm', { ...root, keys: [{ ...first, algorithm: 'rsa' }] }],
  ['an unknown use', { ...root, keys: [{ ...first, use: 'all' }] }],
  ['an end before its start', { ...root, keys: [{ ...first, notAfter: '2025-01-01T00:00:00Z' }] }],
  ['a time that is none', { ...root, keys: [{ ...first, notBefore: 'yesterday' }] }],
  ['a key that is none', { ...root, keys: [{ ...first, publicKey: 'x' }] }],
])('%s is refused', (_, value) => {
  expect(() => parseTrustRoot(value)).toThrow(
    expect.objectContaining({ code: 'trust-root-invalid' }),
  );
});
