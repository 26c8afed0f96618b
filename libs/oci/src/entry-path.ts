import { OciError, type OciErrorCode, printable } from './oci-error.ts';

/** Bounds of what a layer may put on disk. */
export interface UnpackLimits {
  /** Entries of all layers together. */
  readonly maxEntries: number;
  /** Bytes of all uncompressed layers together. */
  readonly maxTotalBytes: number;
  /** Bytes of one layer as it is stored. */
  readonly maxLayerBytes: number;
  /** UTF-8 bytes of one path. */
  readonly maxPathBytes: number;
  /** Names in one path. */
  readonly maxPathDepth: number;
}

/** What holds unless a caller asks for less. */
export const DEFAULT_UNPACK_LIMITS: UnpackLimits = {
  maxEntries: 200_000,
  maxTotalBytes: 4 * 1024 * 1024 * 1024,
  maxLayerBytes: 2 * 1024 * 1024 * 1024,
  maxPathBytes: 1024,
  maxPathDepth: 64,
};

/**
 * The names that a tar entry's path consists of, or none for the root folder itself.
 * @throws OciError `layer-path-escapes` for absolute paths and `..`; `layer-path-invalid` for NUL bytes,
 *   undecodable names, and paths over the limits
 */
export function entryNames(
  path: string,
  digest: string,
  limits: UnpackLimits = DEFAULT_UNPACK_LIMITS,
): readonly string[] {
  const fail = (code: OciErrorCode, problem: string): never => {
    throw new OciError(
      code,
      `Layer ${digest} is not unpacked: its entry "${printable(path)}" ${problem}. Rebuild the image.`,
      { digest, path: printable(path) },
    );
  };
  if (path.includes('\0')) fail('layer-path-invalid', 'has a NUL byte in its path');
  // What is not UTF-8 was decoded to U+FFFD: two such names would fall together.
  if (path.includes('\ufffd')) fail('layer-path-invalid', 'has a path that is not UTF-8');
  if (Buffer.byteLength(path) > limits.maxPathBytes) {
    fail('layer-path-invalid', `has a path over ${limits.maxPathBytes} bytes`);
  }
  if (path.startsWith('/')) fail('layer-path-escapes', 'has an absolute path');
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) fail('layer-path-escapes', 'climbs out with ".."');
  if (names.length > limits.maxPathDepth) {
    fail('layer-path-invalid', `is deeper than ${limits.maxPathDepth} folders`);
  }
  if (names.some((name) => Buffer.byteLength(name) > 255)) {
    fail('layer-path-invalid', 'has a name over 255 bytes');
  }
  return names;
}

/**
 * Throws `layer-link-escapes` unless a symlink's target stays inside, whatever other links it passes:
 * relative, first `..` up to the root at most, then only downwards. (`a/../..` would be taken apart
 * by the system after following `a`, so text alone can not judge it.)
 * @param names of the link itself; its parents are real folders
 */
export function assertLinkStaysInside(
  names: readonly string[],
  target: string,
  digest: string,
): void {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const climbs = parts.findIndex((part) => part !== '..');
  const ups = climbs === -1 ? parts.length : climbs;
  const inside =
    target !== '' &&
    !target.includes('\0') &&
    !target.startsWith('/') &&
    ups <= names.length - 1 &&
    !parts.slice(ups).includes('..');
  if (inside) return;
  const path = printable(names.join('/'));
  throw new OciError(
    'layer-link-escapes',
    `Layer ${digest} is not unpacked: its link "${path}" points to "${printable(target)}", outside of the image. Use a relative link inside of it.`,
    { digest, path },
  );
}
