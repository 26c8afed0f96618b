import { byCodeUnits, type Change, MAX_LISTED_CHANGES } from './difference.ts';

/** One package of one version, as an SBOM lists it. */
export interface PackageRef {
  /** Type, namespace and name of its purl, such as `npm/%40scope/name` decoded; the plain name without a purl. */
  readonly name: string;
  readonly version: string;
}

/** A package of one version on one side, or of two on both. */
export interface PackageChange {
  readonly name: string;
  readonly change: Exclude<Change, 'unchanged'>;
  /** Version; null when it was not there. */
  readonly from: string | null;
  /** Version; null when it will not be there. */
  readonly to: string | null;
}

/** At most {@link MAX_LISTED_CHANGES} changes, sorted by name; the numbers count all. */
export interface PackageChanges {
  readonly changes: readonly PackageChange[];
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly unchanged: number;
}

/**
 * What a package is called in a difference: its purl without version, qualifiers and subpath, else its name. Purls
 * (https://github.com/package-url/purl-spec) name one package alike in every image.
 */
export function packageRef(
  purl: string | undefined,
  name: string,
  version: string,
): PackageRef | undefined {
  const [, path] = /^pkg:\/*([^?#]+)/.exec(purl ?? '') ?? [];
  if (path === undefined) return name === '' ? undefined : { name, version };
  const at = path.lastIndexOf('@');
  // An unescaped @ before the last slash belongs to a scope, not to a version.
  const end = at > path.lastIndexOf('/') ? at : path.length;
  const inPurl = path.slice(end + 1);
  return {
    name: decoded(path.slice(0, end)),
    version: version === '' ? decoded(inPurl) : version,
  };
}

/**
 * Compares two lists of packages. Versions of one package are sets: those on one side only are paired in their order
 * as changed, and what is left over was added or removed. A package that several components have counts once a version.
 */
export function comparePackages(
  from: readonly PackageRef[],
  to: readonly PackageRef[],
  limit = MAX_LISTED_CHANGES,
): PackageChanges {
  const before = versionsByName(from);
  const after = versionsByName(to);
  const changes: PackageChange[] = [];
  const counts = { added: 0, removed: 0, changed: 0, unchanged: 0 };
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort(byCodeUnits)) {
    const old = before.get(name) ?? new Set();
    const now = after.get(name) ?? new Set();
    const gone = [...old].filter((version) => !now.has(version)).sort(byCodeUnits);
    const come = [...now].filter((version) => !old.has(version)).sort(byCodeUnits);
    counts.unchanged += old.size - gone.length;
    for (let at = 0; at < Math.max(gone.length, come.length); at += 1) {
      const [a, b] = [gone[at] ?? null, come[at] ?? null];
      const change = a === null ? 'added' : b === null ? 'removed' : 'changed';
      counts[change] += 1;
      if (changes.length < limit) changes.push({ name, change, from: a, to: b });
    }
  }
  return { changes, ...counts };
}

function versionsByName(packages: readonly PackageRef[]): ReadonlyMap<string, Set<string>> {
  const versions = new Map<string, Set<string>>();
  for (const { name, version } of packages) {
    const known = versions.get(name);
    if (known === undefined) versions.set(name, new Set([version]));
    else known.add(version);
  }
  return versions;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
