import { expect, test } from '@jest/globals';
import type { Component } from '@sluice/domain';
import { composePlan, composeRelease } from '@sluice/domain';
import { determinismHash } from './decision-hash.ts';
import { digestOf, digestOfBytes, planDigest, releaseDigest } from './digest.ts';

/** FIPS 180: the examples of SHA-256, one and two blocks and a long message. */
test.each([
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
])('FIPS 180: SHA-256 of %#', (message, hex) => {
  expect(digestOfBytes(message)).toBe(`sha256:${hex}`);
  expect(digestOfBytes(new TextEncoder().encode(message))).toBe(`sha256:${hex}`);
});

test('a text is hashed as UTF-8', () => {
  expect(digestOfBytes('€')).toBe(digestOfBytes(new Uint8Array([0xe2, 0x82, 0xac])));
});

test('a value is hashed in its canonical form', () => {
  expect(digestOf({ b: 1, a: [true] })).toBe(digestOfBytes('{"a":[true],"b":1}'));
});

const component = (name: string): Component => ({
  name,
  kind: 'oci',
  digest: digestOf(name),
  version: '1.0.0',
});

function idOf(components: readonly Component[]): string {
  const release = composeRelease('shop', '1.0.0', components);
  if (!release.ok) throw new Error(release.refusal.message);
  return releaseDigest(release.value);
}

test("a release's id does not depend on the order of its components, but on each of them", () => {
  const [a, b] = [component('a'), component('b')];
  expect(idOf([a, b])).toBe(idOf([b, a]));
  expect(idOf([a])).not.toBe(idOf([a, b]));
  expect(idOf([{ ...a, version: '1.0.1' }])).not.toBe(idOf([a]));
});

test("a plan's digest tells its sides apart", () => {
  const side = { release: digestOf('release'), components: [component('a')], settings: {} };
  const digests = [
    composePlan('host-1', null, side),
    composePlan('host-1', side, null),
    composePlan('host-1', side, side),
    composePlan('host-2', null, side),
  ].map(planDigest);
  expect(new Set(digests).size).toBe(4);
});

test('the determinism hash is of the four fields that make a decision, and of nothing else', () => {
  const four = {
    decision: 'deny',
    reasonCodes: ['secret-in-image'],
    inputDigest: digestOf('input'),
    policyDigest: digestOf('policy'),
  } as const;
  const more = { ...four, evaluatedAt: '2030-01-01T00:00:00Z', trace: [1] };
  expect(determinismHash(more)).toBe(determinismHash(four));
  expect(determinismHash(four)).toBe(digestOf(four));
  expect(determinismHash({ ...four, decision: 'allow' })).not.toBe(determinismHash(four));
});
