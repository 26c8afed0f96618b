import { isDigest, type KeyUse, TRUST_ROOT_SCHEMA, type TrustRoot } from '@sluice/domain';
import { keyIdOf } from './key-pair.ts';
import { SigningError } from './signing-error.ts';
import { hasExactlyKeys, isJsonObject, parseStrictJson } from './strict-json.ts';

/** Largest trust root that is read. Bytes. */
export const MAX_TRUST_ROOT_BYTES = 1024 * 1024;
const MAX_KEYS = 1000;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** One key of a trust root. */
export type TrustedKey = TrustRoot['keys'][number];

/** Milliseconds since the epoch of an RFC 3339 text, or undefined when it is none. */
export function parseInstant(value: unknown): number | undefined {
  if (typeof value !== 'string' || !INSTANT.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}

/**
 * A trust root over these keys; each is checked as {@link parseTrustRoot} does.
 * @throws SigningError `trust-root-invalid`
 */
export function createTrustRoot(
  keys: readonly {
    readonly publicKey: string;
    readonly use: KeyUse;
    readonly notBefore: string;
    readonly notAfter?: string | null;
  }[],
): TrustRoot {
  return parseTrustRoot({
    schema: TRUST_ROOT_SCHEMA,
    keys: keys.map(({ publicKey, use, notBefore, notAfter }) => ({
      id: keyIdOf(publicKey),
      algorithm: 'ed25519',
      publicKey,
      notBefore,
      notAfter: notAfter ?? null,
      use,
    })),
  });
}

/**
 * Reads and checks a trust root, from its text or from what was parsed already: at least one key, ids that
 * are those of their keys, valid times, no key twice.
 * @throws SigningError `trust-root-invalid`, naming the key
 */
export function parseTrustRoot(source: unknown): TrustRoot {
  const value = read(source);
  if (!isJsonObject(value) || !hasExactlyKeys(value, ['schema', 'keys'])) {
    return fail('it must have schema and keys, and nothing else');
  }
  if (value['schema'] !== TRUST_ROOT_SCHEMA) return fail(`its schema must be ${TRUST_ROOT_SCHEMA}`);
  const keys = value['keys'];
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS) {
    return fail(`keys must be a list of 1 to ${MAX_KEYS}`);
  }
  const parsed = keys.map((key: unknown, index) => parseKey(key, index));
  const named = new Set(parsed.map(({ id, use }) => `${use} ${id}`));
  if (named.size !== parsed.length) return fail('one key stands in it twice for the same use');
  return { schema: TRUST_ROOT_SCHEMA, keys: parsed };
}

/**
 * Keys for a use that are valid at a moment (milliseconds since the epoch): `notBefore` counts, `notAfter`
 * does not. Without a moment, all keys for the use.
 */
export function listTrustedKeys(root: TrustRoot, use: KeyUse, at?: number): readonly TrustedKey[] {
  return root.keys.filter((key) => key.use === use && (at === undefined || isValidAt(key, at)));
}

/** True when a key is valid at a moment (milliseconds since the epoch). */
export function isValidAt(key: TrustedKey, at: number): boolean {
  const end = key.notAfter === null ? Number.POSITIVE_INFINITY : Date.parse(key.notAfter);
  return at >= Date.parse(key.notBefore) && at < end;
}

function read(source: unknown): unknown {
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) return source;
  try {
    return parseStrictJson(source, { maxBytes: MAX_TRUST_ROOT_BYTES, maxDepth: 8 });
  } catch (error) {
    return fail((error as Error).message);
  }
}

function parseKey(value: unknown, index: number): TrustedKey {
  const label = `key ${index + 1}`;
  const fields = ['id', 'algorithm', 'publicKey', 'notBefore', 'notAfter', 'use'];
  if (!isJsonObject(value) || !hasExactlyKeys(value, fields)) {
    return fail(`${label} must have ${fields.join(', ')}, and nothing else`);
  }
  const { id, algorithm, publicKey, notBefore, notAfter, use } = value;
  if (typeof id !== 'string' || !isDigest(id)) return fail(`${label} has no sha256 id`);
  if (algorithm !== 'ed25519') return fail(`${label} has an algorithm other than ed25519`);
  if (use !== 'evidence' && use !== 'command') return fail(`${label} has an unknown use`);
  const from = parseInstant(notBefore);
  const to = notAfter === null ? Number.POSITIVE_INFINITY : parseInstant(notAfter);
  if (from === undefined || to === undefined || to <= from) {
    return fail(`${label} must be valid from one RFC 3339 time to a later one (or null)`);
  }
  let actualId: string;
  try {
    actualId = keyIdOf(typeof publicKey === 'string' ? publicKey : '');
  } catch (error) {
    return fail(`${label} has no usable public key: ${(error as Error).message}`);
  }
  if (actualId !== id)
    return fail(`${label} has the id ${id}, but its public key's id is ${actualId}`);
  return {
    id,
    algorithm,
    publicKey: publicKey as string,
    notBefore: notBefore as string,
    notAfter: notAfter as string | null,
    use,
  };
}

function fail(what: string): never {
  throw new SigningError(
    'trust-root-invalid',
    `The trust root is not valid: ${what}. Get it again from whom you trust.`,
  );
}
