/**
 * A text of at most so many UTF-16 units that any JSON reader takes: a character that the cut (or an earlier one)
 * halved becomes U+FFFD, for canonical JSON and Postgres refuse halves.
 */
export function cutText(text: string, maxUnits: number): string {
  return text.slice(0, maxUnits).replace(/\p{Surrogate}/gu, '\uFFFD');
}
