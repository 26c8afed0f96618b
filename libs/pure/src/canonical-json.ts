import canonicalize from 'canonicalize';

/**
 * The RFC 8785 (JCS) form of a JSON value. Object members that are undefined are left out, as `JSON.stringify` does.
 * @throws TypeError for what JSON cannot hold: undefined, functions, NaN, infinities, lone surrogates, cycles, bigints
 */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (cause) {
    throw new TypeError(`canonicalJson: ${(cause as Error).message}`, { cause });
  }
  if (text === undefined) throw new TypeError('canonicalJson: the value is not JSON');
  return text;
}
