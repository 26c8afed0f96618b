import { expect, test } from '@jest/globals';
import { checkContentDigest, contentDigest } from './content-digest.ts';

/** RFC 9530 Appendix B: the JSON object with a line feed at its end. */
const body = Buffer.from('{"hello": "world"}\n');
const sha256 = 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:';

function codeOf(field: string | undefined, bytes: Uint8Array = body): string {
  const outcome = checkContentDigest(field, bytes);
  return outcome.ok ? 'ok' : outcome.refusal.code;
}

test("the RFC's own vectors", () => {
  expect(contentDigest(body)).toBe(sha256);
  expect(codeOf(sha256)).toBe('ok');
  // RFC 9421 B.2 has the body without the line feed.
  const bare = Buffer.from('{"hello": "world"}');
  const sha512 =
    'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:';
  expect(contentDigest(bare)).toBe('sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:');
  expect(codeOf(`${contentDigest(bare)}, ${sha512}`, bare)).toBe('ok');
  expect(codeOf(`${sha256}, ${sha512}`)).toBe('content-digest-mismatch');
});

test('an empty body has a digest', () => {
  const empty = 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:';
  expect(contentDigest(new Uint8Array())).toBe(empty);
  expect(codeOf(empty, new Uint8Array())).toBe('ok');
});

test.each([
  [undefined, 'content-digest-missing'],
  ['', 'content-digest-malformed'],
  ['md5=:AAAA:', 'content-digest-missing'],
  [`md5=:AAAA:, ${sha256}`, 'ok'],
  [`${sha256}, ${sha256}`, 'content-digest-malformed'],
  ['sha-256=AAAA', 'content-digest-malformed'],
  ['sha-256=:AAAA:', 'content-digest-mismatch'],
  ['sha-256=:RK_0qy18MlBSVnWgjwz6lZEWjP_lF5HF9bvEF8FabDg=:', 'content-digest-malformed'],
  ['SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:', 'content-digest-malformed'],
  [`${sha256};x=1`, 'content-digest-malformed'],
])('%s: %s', (field, code) => {
  expect(codeOf(field)).toBe(code);
});
