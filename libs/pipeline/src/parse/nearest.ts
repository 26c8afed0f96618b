/** Cells of edit distances of one check: more would make a file of wrong names slow. */
const MAX_CELLS = 4_000_000;

/** Longer names are never near. UTF-16 units. */
const MAX_NAME_LENGTH = 80;

/** Finds the nearest of some names. */
export type NearestName = (name: string, known: Iterable<string>) => string | undefined;

/** Nearest names with a bound on all of the work done; after it there are no suggestions any more. */
export function createNearestName(maxCells = MAX_CELLS): NearestName {
  let left = maxCells;
  return (name, known) => {
    if (name.length > MAX_NAME_LENGTH) return undefined;
    const plain = plainOf(name);
    // One letter is as near to any other.
    const allowed = name.length < 3 ? 0 : Math.max(1, Math.floor(name.length / 3));
    let best: string | undefined;
    let bestDistance = allowed + 1;
    for (const candidate of known) {
      // A comparison that is never made costs a look at the name all the same.
      const isFar = Math.abs(candidate.length - plain.length) > 2 * MAX_NAME_LENGTH;
      left -= isFar ? 1 : 1 + candidate.length;
      if (left < 0) return best;
      if (isFar) continue;
      const other = plainOf(candidate);
      if (other === plain) return candidate;
      const within = plain.length >= 3 && other.startsWith(plain);
      if (!within && Math.abs(plain.length - other.length) < bestDistance) {
        left -= plain.length * other.length;
        if (left < 0) return best;
      }
      const distance = within ? allowed : editDistance(plain, other, bestDistance);
      if (distance < bestDistance) {
        best = candidate;
        bestDistance = distance;
      }
    }
    return best;
  };
}

const plainOf = (name: string): string => name.toLowerCase().replace(/[-_]/g, '');

/** Edit distance with exchanged neighbours (optimal string alignment); `limit` for anything at or above it. */
export function editDistance(from: string, to: string, limit: number): number {
  if (Math.abs(from.length - to.length) >= limit) return limit;
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
      least = Math.min(least, cost);
    }
    if (least >= limit) return limit;
    before = last;
    last = row;
  }
  return Math.min(last[to.length] ?? limit, limit);
}
