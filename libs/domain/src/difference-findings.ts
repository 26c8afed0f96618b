import { byCodeUnits, MAX_LISTED_CHANGES } from './difference.ts';

/** One finding of a scan, as it is compared and shown. */
export interface Finding {
  /** `secret`, `misconfiguration` or `vulnerability`. */
  readonly kind: string;
  /** The scanner's stable rule id. */
  readonly rule: string;
  /** `CRITICAL`, `HIGH`, `MEDIUM`, `LOW` or `UNKNOWN`. */
  readonly severity: string;
  /** Component, file and line; component and package; or a resource. */
  readonly place: string;
  readonly title: string;
}

/** At most {@link MAX_LISTED_CHANGES} findings a list, the worst first; the numbers count all. */
export interface FindingChanges {
  readonly new: readonly Finding[];
  readonly resolved: readonly Finding[];
  readonly newCount: number;
  readonly resolvedCount: number;
  readonly unchanged: number;
}

/**
 * Compares the findings of two scans. A finding is the same one when kind, rule and place are: one that moved to
 * another line is new there, for nothing says that it is still the same secret.
 */
export function compareFindings(
  from: readonly Finding[],
  to: readonly Finding[],
  limit = MAX_LISTED_CHANGES,
): FindingChanges {
  const left = countByIdentity(from);
  let unchanged = 0;
  const come: Finding[] = [];
  for (const finding of to) {
    const count = left.get(identityOf(finding)) ?? 0;
    if (count === 0) {
      come.push(finding);
    } else {
      left.set(identityOf(finding), count - 1);
      unchanged += 1;
    }
  }
  const gone = from.filter((finding) => {
    const count = left.get(identityOf(finding)) ?? 0;
    if (count > 0) left.set(identityOf(finding), count - 1);
    return count > 0;
  });
  return {
    new: come.sort(byWeight).slice(0, limit),
    resolved: gone.sort(byWeight).slice(0, limit),
    newCount: come.length,
    resolvedCount: gone.length,
    unchanged,
  };
}

function countByIdentity(findings: readonly Finding[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const finding of findings) {
    const identity = identityOf(finding);
    counts.set(identity, (counts.get(identity) ?? 0) + 1);
  }
  return counts;
}

function identityOf({ kind, rule, place }: Finding): string {
  return `${kind}\0${rule}\0${place}`;
}

const WORST_FIRST = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'];

function byWeight(a: Finding, b: Finding): number {
  const weight = weightOf(a) - weightOf(b);
  return weight === 0 ? byCodeUnits(identityOf(a), identityOf(b)) : weight;
}

/** A severity that is not known here comes last. */
function weightOf({ severity }: Finding): number {
  const at = WORST_FIRST.indexOf(severity);
  return at === -1 ? WORST_FIRST.length : at;
}
