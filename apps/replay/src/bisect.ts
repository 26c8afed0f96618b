/** A build of the workflow code. */
export interface BuildName {
  readonly buildId: string;
  /** `sha256:<hex>`. */
  readonly bundleDigest: string;
}

/** A build whose code was kept. */
export interface KeptBuild extends BuildName {
  /** RFC 3339; when a worker first ran it. */
  readonly firstSeenAt: string;
}

/** What a search for the build that broke a history goes through. */
export interface BreakSearch {
  /** Kept builds, oldest first. */
  readonly kept: readonly KeptBuild[];
  /** Who carried the history's workflow tasks, as its head says. */
  readonly recordedBy: {
    readonly buildIds: readonly string[];
    readonly bundleDigests: readonly string[];
  };
  /** The build that the history does not fit. */
  readonly given: BuildName;
  /** True when the history fits that build; undefined when it cannot be told, for its code is gone or unusable. */
  readonly fits: (build: KeptBuild) => Promise<boolean | undefined>;
}

/**
 * The first build that a history does not fit any more, found by halving between the build that recorded it and the
 * given one, in the order in which workers first ran them. The build before it fits, so the name is proven, not guessed.
 * @returns `unknown` where the recording build is not among the kept ones and the oldest does not fit either, where it
 *   is newer than the given one, or where builds in between cannot be tried
 */
export async function findBreakingBuild(search: BreakSearch): Promise<BuildName | 'unknown'> {
  const { given, fits } = search;
  const line = buildsBefore(search);
  const start = await findStart(search, line);
  if (start === undefined) return 'unknown';
  let good = start;
  let bad = line.length;
  const untold = new Set<number>();
  for (;;) {
    const middle = nextToTry(good, bad, untold);
    const build = middle === undefined ? undefined : line[middle];
    if (middle === undefined || build === undefined) break;
    const answer = await fits(build);
    if (answer === undefined) untold.add(middle);
    else if (answer) good = middle;
    else bad = middle;
  }
  if (bad - good > 1) return 'unknown';
  const { buildId, bundleDigest } = line[bad] ?? given;
  return { buildId, bundleDigest };
}

/**
 * Kept builds that are older than the given one: all, where it was never kept itself. The build id counts, too: the same
 * sources that were bundled in another place are the same build under another digest.
 */
function buildsBefore({ kept, given }: BreakSearch): readonly KeptBuild[] {
  const at = kept.findIndex(
    ({ bundleDigest, buildId }) => bundleDigest === given.bundleDigest || buildId === given.buildId,
  );
  return at === -1 ? kept : kept.slice(0, at);
}

/** Place of the newest build that recorded it, else of the oldest kept one when that fits. */
async function findStart(
  { recordedBy, given, fits }: BreakSearch,
  line: readonly KeptBuild[],
): Promise<number | undefined> {
  const isRecorder = ({ buildId, bundleDigest }: BuildName): boolean =>
    recordedBy.bundleDigests.includes(bundleDigest) || recordedBy.buildIds.includes(buildId);
  if (isRecorder(given)) return undefined;
  const at = line.findLastIndex(isRecorder);
  const build = line[Math.max(at, 0)];
  if (build === undefined) return undefined;
  const answer = await fits(build);
  // The recording build is taken at its word where its code is gone, but not where its own history does not fit it.
  const isGood = at === -1 ? answer === true : answer !== false;
  return isGood ? Math.max(at, 0) : undefined;
}

/** The place nearest to the middle that was not tried yet. */
function nextToTry(good: number, bad: number, untold: ReadonlySet<number>): number | undefined {
  const middle = (good + bad) / 2;
  let best: number | undefined;
  for (let at = good + 1; at < bad; at += 1) {
    if (untold.has(at)) continue;
    if (best === undefined || Math.abs(at - middle) < Math.abs(best - middle)) best = at;
  }
  return best;
}
