/** Names of tenants, environments, targets, sources, releases, components and steps: a DNS label. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A version as people write it: `1.2.0`, `2026.11.21-rc.1`, `v3+build`. At most 128 characters, no white space. */
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;

/** `sha256:` and 64 lower-case hexadecimal digits: the only digest form that Sluice accepts. */
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True for a DNS label of at most 63 characters: the form of every name that a person gives. */
export function isName(value: string): boolean {
  return NAME.test(value);
}

/** True for a version string of at most 128 characters. */
export function isVersion(value: string): boolean {
  return VERSION.test(value);
}

/** True for `sha256:<64 lower-case hex digits>`. */
export function isDigest(value: string): boolean {
  return DIGEST.test(value);
}
