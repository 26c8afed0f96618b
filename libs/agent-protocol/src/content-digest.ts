import { createHash, timingSafeEqual } from 'node:crypto';
import { accepted, type Outcome, refused } from '@sluice/domain';

const MEMBER = /^[ \t]*([a-z0-9*_.-]{1,32})=:([A-Za-z0-9+/]{0,128}={0,2}):[ \t]*$/;

/** Algorithms of RFC 9530 that are not deprecated, and their names in Node. */
const ALGORITHMS: Readonly<Record<string, string>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' };

/** The `Content-Digest` field of a body (RFC 9530), with sha-256; an empty body has one too. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}

/**
 * Checks a body against its `Content-Digest` field: sha-256 must be there; sha-512 is checked as well when it
 * is; other algorithms are ignored, as the RFC allows.
 * Refusals: `content-digest-missing`, `content-digest-malformed`, `content-digest-mismatch`.
 */
export function checkContentDigest(field: string | undefined, body: Uint8Array): Outcome<void> {
  if (field === undefined) {
    return refused('content-digest-missing', 'The request has no Content-Digest; send sha-256.');
  }
  const found = new Map<string, string>();
  for (const member of field.split(',')) {
    const [, name = '', value = ''] = MEMBER.exec(member) ?? [];
    if (name === '' || found.has(name)) {
      return refused('content-digest-malformed', 'Content-Digest is no dictionary of RFC 9530.');
    }
    found.set(name, value);
  }
  if (!found.has('sha-256')) {
    return refused('content-digest-missing', 'Content-Digest has no sha-256 member.');
  }
  for (const [name, value] of found) {
    const algorithm = ALGORITHMS[name];
    if (algorithm === undefined) continue;
    const expected = Buffer.from(createHash(algorithm).update(body).digest('base64'));
    const given = Buffer.from(value);
    if (expected.byteLength !== given.byteLength || !timingSafeEqual(expected, given)) {
      return refused('content-digest-mismatch', `The body does not have the ${name} it says.`);
    }
  }
  return accepted(undefined);
}
