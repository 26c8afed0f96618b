/**
 * Text that Postgres can hold: NUL characters and lone surrogates, as broken tools print them, become U+FFFD.
 * Not for what is hashed or signed.
 */
export function storableText(text: string): string {
  return text.replace(/\p{Surrogate}|\u0000/gu, '\uFFFD');
}

/** JSON that `jsonb` can hold; see {@link storableText}. Not for what is hashed or signed. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' ? storableText(inner) : inner,
  );
}
