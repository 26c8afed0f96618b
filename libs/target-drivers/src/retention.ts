/** What retention looks at of one activation that lies on a target. */
export interface StoredActivation {
  readonly id: string;
  /** Null when the activation empties the target. */
  readonly releaseDigest: string | null;
  /** Grows with each confirmation; null when it was never confirmed, or a revert took that back. */
  readonly confirmedAs: number | null;
}

/**
 * Which activations stay on a target: those that are in use, the newest confirmed one of each of the last
 * releases that were confirmed, and, however few these are, that of the last good release besides the one in
 * use: it is what a bad one is rolled back to.
 * @param inUse ids of the current one and of the one before it
 * @param currentRelease null when the target is empty
 */
export function selectKept(
  stored: readonly StoredActivation[],
  inUse: readonly string[],
  currentRelease: string | null,
  keepReleases: number,
): ReadonlySet<string> {
  const kept = new Set(inUse);
  const releases = new Set<string>();
  const confirmed = stored
    .filter(({ confirmedAs }) => confirmedAs !== null)
    .sort((a, b) => (b.confirmedAs ?? 0) - (a.confirmedAs ?? 0));
  let hasOther = false;
  for (const { id, releaseDigest } of confirmed) {
    if (releaseDigest === null || releases.has(releaseDigest)) continue;
    const isOther = releaseDigest !== currentRelease;
    const isLastGood = isOther && !hasOther;
    if (releases.size < keepReleases || isLastGood) kept.add(id);
    releases.add(releaseDigest);
    hasOther ||= isOther;
  }
  return kept;
}
