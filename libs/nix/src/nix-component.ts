import { type BlobDescriptor, isDigest } from '@sluice/domain';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { CLOSURE_MEDIA_TYPE } from './closure/export-closure.ts';
import { NixError, printable } from './nix-error.ts';
import { assertStoreDir, parseStorePath } from './store-path.ts';

/** The schema tag of a component's document; changing a field means a new tag. */
export const NIX_COMPONENT_SCHEMA = 'sluice.nix-component/v1';

/** Media type of a component's document. */
export const NIX_COMPONENT_MEDIA_TYPE = 'application/vnd.sluice.nix-component.v1+json';

/** Largest document of a component. Bytes. */
export const MAX_NIX_COMPONENT_BYTES = 16 * 1024;

/**
 * What a component of kind `nix` is: one store path, its NAR hash, and the closure that it needs to run. The component's digest is
 * the SHA-256 of this document's RFC 8785 form, as an image's is that of its manifest: so a release, an approval and a signed command
 * bind all three (docs/adr/0025-a-pipeline-makes-its-release.md).
 */
export interface NixComponent {
  readonly schema: typeof NIX_COMPONENT_SCHEMA;
  readonly storePath: string;
  /** `sha256:<64 hex digits>` of the store path's NAR. */
  readonly narHash: string;
  /** Bytes of the NAR. */
  readonly narSize: number;
  /** The archive of the store path and everything that it refers to. */
  readonly closure: BlobDescriptor;
}

/** Puts a component's document together in its one shape. */
export function composeNixComponent(
  path: Pick<NixComponent, 'storePath' | 'narHash' | 'narSize'>,
  closure: Pick<BlobDescriptor, 'digest' | 'size'>,
): NixComponent {
  return {
    schema: NIX_COMPONENT_SCHEMA,
    storePath: path.storePath,
    narHash: path.narHash,
    narSize: path.narSize,
    closure: { mediaType: CLOSURE_MEDIA_TYPE, digest: closure.digest, size: closure.size },
  };
}

/** Folder of the store that a component's path lies in. */
export function storeDirOfComponent({ storePath }: Pick<NixComponent, 'storePath'>): string {
  return storePath.slice(0, storePath.lastIndexOf('/'));
}

/**
 * Reads what {@link composeNixComponent} makes, in canonical form, and nothing else.
 * @param digest the component's: bytes of another one are refused
 * @throws NixError `component-invalid`
 */
export function parseNixComponent(bytes: Uint8Array, digest: string): NixComponent {
  const fail = (problem: string): never => {
    throw new NixError(
      'component-invalid',
      `The document of component ${printable(digest)} ${problem}. Build the component again, and make a release of it.`,
    );
  };
  if (bytes.length > MAX_NIX_COMPONENT_BYTES) return fail(`has ${bytes.length} bytes`);
  if (digestOfBytes(bytes) !== digest) return fail(`has the digest ${digestOfBytes(bytes)}`);
  let value: unknown;
  const text = Buffer.from(bytes).toString('utf8');
  try {
    value = JSON.parse(text);
  } catch {
    return fail('is no JSON');
  }
  if (!isComponent(value)) return fail('has not the form that Sluice writes');
  if (canonicalJson(value) !== text) return fail('is not in canonical form');
  return value;
}

function isComponent(value: unknown): value is NixComponent {
  if (!hasExactly(value, ['closure', 'narHash', 'narSize', 'schema', 'storePath'])) return false;
  const { schema, storePath, narHash, narSize, closure } = value;
  return (
    schema === NIX_COMPONENT_SCHEMA &&
    isStorePath(storePath) &&
    isHash(narHash) &&
    isSize(narSize) &&
    hasExactly(closure, ['digest', 'mediaType', 'size']) &&
    closure['mediaType'] === CLOSURE_MEDIA_TYPE &&
    isHash(closure['digest']) &&
    isSize(closure['size'])
  );
}

function hasExactly(
  value: unknown,
  names: readonly string[],
): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).sort().join() === names.join();
}

function isStorePath(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  try {
    const storeDir = storeDirOfComponent({ storePath: value });
    assertStoreDir(storeDir);
    return parseStorePath(value, storeDir).path === value;
  } catch {
    return false;
  }
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && isDigest(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
