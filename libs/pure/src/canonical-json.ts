import canonicalize from 'canonicalize';

/**
 * The RFC 8785 (JCS) form of a JSON value.
 * @throws TypeError for what JSON cannot hold: undefined, functions, NaN, infinities, lone surrogates
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('canonicalJson: the value is not JSON');
  return text;
}
