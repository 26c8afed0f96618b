import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { DEFAULT_UNPACK_LIMITS, entryNames, type UnpackLimits } from './entry-path.ts';
import { ImageTree } from './image-tree.ts';
import type { Descriptor } from './image-types.ts';
import { findLayerCompression } from './media-types.ts';
import { isOciError, OciError, type OciErrorCode, printable } from './oci-error.ts';
import { strictTarChunks } from './strict-tar.ts';
import { verifiedChunks } from './verified-stream.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** What {@link unpackLayers} needs. */
export interface UnpackRequest {
  /** Lowest first. */
  readonly layers: readonly Pick<Descriptor, 'mediaType' | 'digest' | 'size'>[];
  /** The configuration's digests of the uncompressed layers; checked when given. */
  readonly diffIds?: readonly string[];
  /** A layer's bytes as they are stored; they are verified here. */
  readonly blobStream: (
    layer: Pick<Descriptor, 'digest' | 'size'>,
  ) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
  /** Folder that must not be there yet; its parent must. */
  readonly destination: string;
  readonly limits?: Partial<UnpackLimits>;
  /** Ends the work with an AbortError; nothing stays. */
  readonly signal?: AbortSignal;
}

/** One entry as tar-stream gives it out. */
type Entry = AsyncIterable<Uint8Array> & { readonly header: Header; resume(): unknown };

/** Counts what all layers of one image use up. */
interface Budget {
  entries: number;
  bytes: number;
}

/**
 * Unpacks an image's layers, one over the other with OCI whiteouts. The destination appears whole, by one
 * rename, after every layer's digest was verified; on any failure nothing is left. Owners, times and
 * extended attributes are not kept, setuid, setgid and sticky bits are dropped.
 * @returns the number of entries and of uncompressed bytes
 * @throws OciError with code, layer digest and path; see `OCI_ERROR_CODES`
 */
export async function unpackLayers(request: UnpackRequest): Promise<Readonly<Budget>> {
  const { layers, diffIds, destination, signal } = request;
  const limits = { ...DEFAULT_UNPACK_LIMITS, ...request.limits };
  if (diffIds !== undefined && diffIds.length !== layers.length) {
    throw new OciError(
      'config-invalid',
      `The image has ${layers.length} layers, its configuration names ${diffIds.length}.`,
    );
  }
  const suffix = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const aside = join(dirname(destination), `.${basename(destination)}.${suffix}.tmp`);
  await mkdir(aside, { mode: 0o700 });
  try {
    const tree = new ImageTree(aside);
    const budget: Budget = { entries: 0, bytes: 0 };
    for (const [at, layer] of layers.entries()) {
      signal?.throwIfAborted();
      tree.beginLayer(layer.digest);
      await unpackLayer(request, layer, diffIds?.[at], tree, limits, budget);
    }
    await rename(aside, destination);
    return budget;
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}

async function unpackLayer(
  request: UnpackRequest,
  layer: UnpackRequest['layers'][number],
  diffId: string | undefined,
  tree: ImageTree,
  limits: UnpackLimits,
  budget: Budget,
): Promise<void> {
  const { digest, mediaType, size } = layer;
  const compression = findLayerCompression(mediaType);
  if (compression === undefined) {
    throw new OciError(
      'media-type-unsupported',
      `Layer ${digest} is of type "${printable(mediaType)}": only tar and tar+gzip can be unpacked.`,
      { digest },
    );
  }
  if (size > limits.maxLayerBytes) {
    throw tooLarge(digest, `has ${size} bytes, more than ${limits.maxLayerBytes}`);
  }
  const stored = verifiedChunks(await request.blobStream(layer), layer, 'layer');
  const hash = createHash('sha256');
  const archive = extract();
  // streamx's writable behaves as Node's, but its types do not say so.
  const sink = archive as unknown as NodeJS.WritableStream;
  const counted = async function* (source: AsyncIterable<Uint8Array>) {
    for await (const chunk of source) {
      budget.bytes += chunk.byteLength;
      if (budget.bytes > limits.maxTotalBytes) {
        throw tooLarge(
          digest,
          `brings the image over ${limits.maxTotalBytes} bytes when it is unpacked`,
        );
      }
      hash.update(chunk);
      yield chunk;
    }
  };
  const strict = (source: AsyncIterable<Uint8Array>) => strictTarChunks(counted(source), digest);
  const signal = request.signal === undefined ? {} : { signal: request.signal };
  const source = Readable.from(stored, { objectMode: false });
  const read =
    compression === 'gzip'
      ? pipeline(source, createGunzip(), strict, sink, signal)
      : pipeline(source, strict, sink, signal);
  // Both sides see a failure; the reading side's is the first cause, so it is asked first.
  const written = writeEntries(
    archive as unknown as AsyncIterable<Entry>,
    digest,
    tree,
    limits,
    budget,
  );
  const [reading, writing] = await Promise.allSettled([read, written]);
  const failures = [reading, writing].flatMap((side) =>
    side.status === 'rejected' ? [side.reason as unknown] : [],
  );
  if (failures.length > 0) throw firstCause(failures, digest, request.signal?.aborted === true);
  const found = `sha256:${hash.digest('hex')}`;
  if (diffId !== undefined && diffId !== found) {
    throw new OciError(
      'layer-diff-id-mismatch',
      `Layer ${digest} unpacks to ${found}, its configuration says ${diffId}. Rebuild the image.`,
      { digest },
    );
  }
}

async function writeEntries(
  archive: AsyncIterable<Entry>,
  digest: string,
  tree: ImageTree,
  limits: UnpackLimits,
  budget: Budget,
): Promise<void> {
  for await (const entry of archive) {
    budget.entries += 1;
    if (budget.entries > limits.maxEntries) {
      throw new OciError(
        'layer-too-many-entries',
        `Layer ${digest} brings the image over ${limits.maxEntries} entries; it is not unpacked. Make the image smaller.`,
        { digest },
      );
    }
    await writeEntry(entry, digest, tree, limits);
    // Content of entries that are not written is none by the strict reader; this ends their streams.
    entry.resume();
  }
}

async function writeEntry(
  entry: Entry,
  digest: string,
  tree: ImageTree,
  limits: UnpackLimits,
): Promise<void> {
  const { name: path, type, mode, linkname } = entry.header;
  const names = entryNames(path, digest, limits);
  const last = names.at(-1) ?? '';
  const fail = (code: OciErrorCode, problem: string): never => {
    throw new OciError(
      code,
      `Layer ${digest} is not unpacked: its entry "${printable(path)}" ${problem}. Rebuild the image.`,
      { digest, path: printable(path) },
    );
  };
  if (names.slice(0, -1).some((name) => name.startsWith(WHITEOUT))) {
    fail('layer-path-invalid', 'lies below a whiteout');
  }
  if (last.startsWith(WHITEOUT)) {
    const hidden = last.slice(WHITEOUT.length);
    const folder = names.slice(0, -1);
    if (last === OPAQUE) return tree.hideChildren(folder);
    const plain = hidden !== '' && hidden !== '.' && hidden !== '..';
    if (type !== 'file' || !plain || hidden.startsWith(WHITEOUT)) {
      fail('layer-path-invalid', 'is no valid whiteout');
    }
    return tree.hide([...folder, hidden]);
  }
  switch (type) {
    case 'directory':
      return tree.addDirectory(names, mode);
    case 'file':
    case 'contiguous-file':
      return tree.addFile(names, mode, entry);
    case 'symlink':
      return tree.addSymlink(names, linkname);
    case 'link':
      return tree.addHardLink(names, entryNames(linkname, digest, limits));
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return fail('layer-device-node', 'is a device or a FIFO');
    default:
      return fail('layer-invalid', 'is of an unknown type');
  }
}

/** Picks the failure that says most: ours before the streams', and one of both sides is always there. */
function firstCause(failures: readonly unknown[], digest: string, stopped: boolean): unknown {
  const ours = failures.find(isOciError);
  if (ours !== undefined) return ours;
  const isAbort = (failure: unknown): boolean => (failure as Error).name === 'AbortError';
  if (stopped) return failures.find(isAbort) ?? failures[0];
  // A stream that ends before its source aborts the source: that is the archive's fault, nobody stopped it.
  const first = failures.find((failure) => !isAbort(failure)) ?? failures[0];
  if (isSystemError(first)) return first;
  const reason = first instanceof Object && 'message' in first ? String(first.message) : 'unknown';
  return new OciError(
    'layer-invalid',
    `Layer ${digest} can not be read as an archive (${printable(reason)}). Rebuild the image.`,
    { digest },
    { cause: first },
  );
}

/** Errors of the file system (ENOSPC …) are the host's, not the image's. */
function isSystemError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'syscall' in error;
}

function tooLarge(digest: string, problem: string): OciError {
  return new OciError(
    'layer-too-large',
    `Layer ${digest} ${problem}; it is not unpacked. Make the image smaller.`,
    { digest },
  );
}
