const COMPARATOR = /^(>=|<=|>|<|=)(\d+)\.(\d+)\.(\d+)$/;

/**
 * Tells whether a version lies in a range such as `>=1.9.0 <2.0.0` (comparators separated by
 * spaces, all must hold). Pre-release parts are not known here: a version with one is in no range.
 *
 * @throws RangeError when the range is not of that form.
 */
export function isVersionInRange(version: string, range: string): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)$/.exec(version);
  return range
    .trim()
    .split(/\s+/)
    .map((comparator) => {
      const match = COMPARATOR.exec(comparator);
      if (match === null) {
        throw new RangeError(`"${comparator}" in the version range "${range}" is not understood.`);
      }
      return parts !== null && isHolding(compare(parts, match.slice(1)), match[1] ?? '=');
    })
    .every(Boolean);
}

function compare(left: readonly string[], right: readonly string[]): number {
  for (let index = 1; index <= 3; index += 1) {
    const difference = Number(left[index]) - Number(right[index]);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

function isHolding(difference: number, operator: string): boolean {
  switch (operator) {
    case '>=':
      return difference >= 0;
    case '<=':
      return difference <= 0;
    case '>':
      return difference > 0;
    case '<':
      return difference < 0;
    default:
      return difference === 0;
  }
}
