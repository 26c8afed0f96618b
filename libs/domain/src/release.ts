import { COMPONENT_KINDS, type Component } from './component.ts';
import { accepted, type Outcome, refused } from './domain-error.ts';
import { isDigest, isName, isVersion } from './name.ts';

/** The schema tag that every release carries; changing a field means a new tag. */
export const RELEASE_SCHEMA = 'sluice.release/v1';

/** More components than this in one release are refused. */
export const MAX_COMPONENTS = 200;

/**
 * An immutable set of component versions. Its id is the SHA-256 of its RFC 8785 form;
 * tenant and time stand beside it, never in it.
 */
export interface Release {
  readonly schema: typeof RELEASE_SCHEMA;
  readonly name: string;
  readonly version: string;
  /** Sorted by name, code unit order; at least one. */
  readonly components: readonly Component[];
}

/** The name that no release of a person can have. */
export const NOTHING_NAME = 'nothing';

/**
 * What a rollback to nothing puts there: the one release without components. It is made by Sluice alone, so that a
 * promotion always has a release and a digest.
 */
export const NOTHING_RELEASE: Release = {
  schema: RELEASE_SCHEMA,
  name: NOTHING_NAME,
  version: '0',
  components: [],
};

/** True for {@link NOTHING_RELEASE}: it empties a target. */
export function isNothing(release: Pick<Release, 'components'>): boolean {
  return release.components.length === 0;
}

/** Composes a release in its one canonical shape, or says why these parts do not make one. */
export function composeRelease(
  name: string,
  version: string,
  components: readonly Component[],
): Outcome<Release> {
  if (!isName(name)) {
    return refused('release-name-invalid', `"${name}" is no release name: use a DNS label.`);
  }
  if (name === NOTHING_NAME) {
    return refused('release-name-invalid', '"nothing" is what a rollback calls an empty target.');
  }
  if (!isVersion(version)) {
    return refused('release-version-invalid', `"${version}" is no version: use 1.2.0 or alike.`);
  }
  if (components.length === 0) {
    return refused(
      'release-without-components',
      `Release ${name} ${version} has no components; name at least one.`,
    );
  }
  if (components.length > MAX_COMPONENTS) {
    return refused(
      'release-too-many-components',
      `Release ${name} ${version} has ${components.length} components; at most ${MAX_COMPONENTS}.`,
    );
  }
  const seen = new Set<string>();
  for (const component of components) {
    const problem = componentProblem(component, seen);
    if (problem !== undefined) return refused('release-component-invalid', problem);
    seen.add(component.name);
  }
  const sorted = components
    .map(({ name: n, kind, digest, version: v }) => ({ name: n, kind, digest, version: v }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return accepted({ schema: RELEASE_SCHEMA, name, version, components: sorted });
}

function componentProblem(component: Component, seen: ReadonlySet<string>): string | undefined {
  const { name, kind, digest, version } = component;
  if (!isName(name)) return `Component "${name}" has no valid name: use a DNS label.`;
  if (seen.has(name)) return `Component ${name} is named twice; names are unique in a release.`;
  if (!COMPONENT_KINDS.includes(kind)) return `Component ${name} has the unknown kind "${kind}".`;
  if (!isDigest(digest)) return `Component ${name} has no sha256 digest: "${digest}".`;
  if (!isVersion(version)) return `Component ${name} has no valid version: "${version}".`;
  return undefined;
}
