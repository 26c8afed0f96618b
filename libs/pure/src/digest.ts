import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { NOTHING_RELEASE, type Plan, type PlanSet, type Release } from '@sluice/domain';
import { canonicalJson } from './canonical-json.ts';

/** `sha256:<hex>` of bytes, or of a text's UTF-8 bytes. */
export function digestOfBytes(bytes: Uint8Array | string): string {
  return `sha256:${bytesToHex(sha256(typeof bytes === 'string' ? utf8ToBytes(bytes) : bytes))}`;
}

/** `sha256:<hex>` of a value's RFC 8785 form. */
export function digestOf(value: unknown): string {
  return digestOfBytes(canonicalJson(value));
}

/**
 * Digest of workflow code: of the bundle without its source map, its last line, which holds the folders of whoever built
 * it. The same wherever the same sources are built.
 */
export function digestOfBundle(code: string): string {
  return digestOfBytes(code.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, ''));
}

/** A release's id. */
export function releaseDigest(release: Release): string {
  return digestOf(release);
}

/** Id of the release without components: of a promotion that rolls back to nothing, or whose pipeline has not made its release yet. */
export const NOTHING_DIGEST = digestOf(NOTHING_RELEASE);

/** A plan's digest, as it stands in commands, approvals and stickers. */
export function planDigest(plan: Plan): string {
  return digestOf(plan);
}

/** A plan set's digest: what an approver says yes to. */
export function planSetDigest(planSet: PlanSet): string {
  return digestOf(planSet);
}
