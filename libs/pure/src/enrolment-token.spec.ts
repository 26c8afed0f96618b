import { expect, test } from '@jest/globals';
import { mintEnrolmentToken, verifyEnrolmentToken } from './enrolment-token.ts';

const key = new Uint8Array(32).fill(7);
const claim = {
  tenantId: 'acme',
  target: 'dev-host',
  id: 'abcdefgh12345678',
  expiresAt: '2030-01-01T00:00:00.000Z',
};
const before = Date.parse('2029-12-31T00:00:00Z');

function codeFor(token: string, withKey = key, now = before): string {
  const outcome = verifyEnrolmentToken(token, withKey, now);
  return outcome.ok ? 'ok' : outcome.refusal.code;
}

test('a token says what it was made with', () => {
  const token = mintEnrolmentToken(claim, key);
  expect(verifyEnrolmentToken(token, key, before)).toEqual({ ok: true, value: claim });
});

test('it ends at its expiry, not a moment later', () => {
  const token = mintEnrolmentToken(claim, key);
  expect(codeFor(token, key, Date.parse(claim.expiresAt) - 1)).toBe('ok');
  expect(codeFor(token, key, Date.parse(claim.expiresAt))).toBe('enrolment-token-expired');
});

test('another key, a changed character and other forms are refused', () => {
  const token = mintEnrolmentToken(claim, key);
  expect(codeFor(token, new Uint8Array(32))).toBe('enrolment-token-invalid');
  for (let index = 0; index < token.length; index += 1) {
    const other = token[index] === 'A' ? 'B' : 'A';
    const changed = `${token.slice(0, index)}${other}${token.slice(index + 1)}`;
    expect(codeFor(changed)).toBe('enrolment-token-invalid');
  }
  for (const form of ['', '.', 'a.b', `${token}.x`, `${token}=`, 'x'.repeat(5000)]) {
    expect(codeFor(form)).toBe('enrolment-token-invalid');
  }
});

test('a key of another length and a claim of another form are faults of the caller', () => {
  expect(() => mintEnrolmentToken(claim, new Uint8Array(16))).toThrow(TypeError);
  expect(() => mintEnrolmentToken({ ...claim, target: 'No Label' }, key)).toThrow(TypeError);
});
