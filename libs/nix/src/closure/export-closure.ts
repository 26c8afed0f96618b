import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RunningSum } from '../nar/nar-digest.ts';
import { writeNar } from '../nar/write-nar.ts';
import { NixError, printable } from '../nix-error.ts';
import { parseStorePath } from '../store-path.ts';
import { type ClosureLimits, DEFAULT_CLOSURE_LIMITS } from './closure-limits.ts';
import { findRoots, orderMembers } from './closure-members.ts';
import {
  CACHE_INFO_NAME,
  formatCacheInfo,
  TAR_END,
  TAR_MAX_SIZE,
  tarHeader,
  tarPadding,
  tarSpace,
} from './closure-tar.ts';
import { type ClosureMember, formatNarinfo, narNameOf } from './narinfo.ts';

/** Media type of a closure's archive. */
export const CLOSURE_MEDIA_TYPE = 'application/vnd.sluice.nix-closure.v1+tar';

/** An archive that was written or read. */
export interface ClosureArchive {
  /** `sha256:<hex>` of the whole archive. */
  readonly digest: string;
  /** Bytes of the archive. */
  readonly size: number;
  readonly storeDir: string;
  /** Sorted by the hash of their store paths. */
  readonly members: readonly ClosureMember[];
  /** Store paths that no other one refers to. */
  readonly roots: readonly string[];
}

/** What is written and where it lies. */
export interface ClosureSource {
  readonly storeDir: string;
  /** Folder that the store paths really lie in; `storeDir` unless the store has another root. */
  readonly folder: string;
  /** All members, in any order. */
  readonly members: readonly ClosureMember[];
}

/** Members in an archive's order. */
export function sortMembers(
  members: readonly ClosureMember[],
  storeDir: string,
): readonly ClosureMember[] {
  const hashOf = (member: ClosureMember) => parseStorePath(member.storePath, storeDir).hash;
  return [...members].sort((a, b) => (hashOf(a) < hashOf(b) ? -1 : hashOf(a) > hashOf(b) ? 1 : 0));
}

/** Bytes of the archive of these members, before it is written. */
export function closureSize(members: readonly ClosureMember[], storeDir: string): number {
  return members.reduce(
    (sum, member) =>
      sum + tarSpace(formatNarinfo(member, storeDir).length) + tarSpace(member.narSize),
    tarSpace(formatCacheInfo(storeDir).length) + TAR_END.length,
  );
}

/**
 * The bytes of a closure's archive (docs/adr/0024-closures-as-archives.md): a tar of a binary cache that
 * says all it holds before the first NAR. They depend on nothing but the store paths' contents and
 * references. Each NAR is held against its hash while it is written.
 * @throws NixError `store-path-corrupt` when a path is not what Nix has recorded, `closure-too-large`,
 *   and as {@link writeNar}; what was written up to then is no archive
 */
export async function* closureChunks(
  source: ClosureSource,
  limits: ClosureLimits = DEFAULT_CLOSURE_LIMITS,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { storeDir } = source;
  const members = sortMembers(source.members, storeDir);
  assertWithin(members, storeDir, limits);
  orderMembers(members);
  yield* text(CACHE_INFO_NAME, formatCacheInfo(storeDir));
  for (const member of members) {
    const { hash } = parseStorePath(member.storePath, storeDir);
    yield* text(`${hash}.narinfo`, formatNarinfo(member, storeDir));
  }
  for (const member of members) {
    const { hash, baseName } = parseStorePath(member.storePath, storeDir);
    yield tarHeader(narNameOf(hash), member.narSize);
    const sum = new RunningSum();
    for await (const chunk of sum.pass(writeNar(join(source.folder, baseName), limits.nar))) {
      if (sum.size > member.narSize) break;
      yield chunk;
    }
    const { hash: found, size } = sum.end();
    if (size !== member.narSize || found.digest !== member.narHash) throw corrupt(member);
    yield tarPadding(size);
  }
  yield TAR_END;
}

/**
 * Writes a closure's archive and gives its digest.
 * @param target is ended, or destroyed after an error
 * @throws NixError as {@link closureChunks}
 */
export async function writeClosure(
  source: ClosureSource,
  target: Writable,
  limits?: ClosureLimits,
): Promise<ClosureArchive> {
  const hash = createHash('sha256');
  let size = 0;
  await pipeline(
    closureChunks(source, limits),
    async function* (chunks) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    },
    target,
  );
  const members = sortMembers(source.members, source.storeDir);
  const digest = `sha256:${hash.digest('hex')}`;
  return { digest, size, storeDir: source.storeDir, members, roots: findRoots(members) };
}

async function* text(name: string, content: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content, 'latin1');
  yield Buffer.concat([tarHeader(name, bytes.length), bytes, tarPadding(bytes.length)]);
}

function assertWithin(
  members: readonly ClosureMember[],
  storeDir: string,
  limits: ClosureLimits,
): void {
  const size = closureSize(members, storeDir);
  const tooLarge = members.find(
    (member) => member.narSize > Math.min(limits.nar.maxBytes, TAR_MAX_SIZE),
  );
  const problem =
    members.length > limits.maxPaths
      ? `has ${members.length} store paths, ${limits.maxPaths} are the most`
      : tooLarge !== undefined
        ? `has "${printable(tooLarge.storePath)}" of ${tooLarge.narSize} bytes, too many for one store path`
        : size > limits.maxBytes
          ? `makes an archive of ${size} bytes, ${limits.maxBytes} are the most`
          : undefined;
  if (problem === undefined) return;
  throw new NixError(
    'closure-too-large',
    `The closure ${problem}. Leave build-time things out of it, or raise the limit.`,
  );
}

function corrupt(member: ClosureMember): NixError {
  const path = printable(member.storePath);
  return new NixError(
    'store-path-corrupt',
    `"${path}" is not what Nix has recorded (${member.narHash}). Repair it: nix store repair ${path}`,
    { path },
  );
}
