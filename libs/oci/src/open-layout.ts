import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { accepted, isDigest, type Outcome, refused } from '@sluice/domain';
import {
  DEFAULT_IMAGE_LIMITS,
  type Descriptor,
  type ImageConfig,
  type ImageIndex,
  type ImageLimits,
  type ImageManifest,
} from './image-types.ts';
import { isIndexType, isManifestType, MEDIA_TYPES } from './media-types.ts';
import { isOciError, OciError, printable } from './oci-error.ts';
import { parseImageConfig, parseImageIndex, parseImageManifest } from './parse-image.ts';
import { type ExpectedContent, readVerified, verifiedChunks } from './verified-stream.ts';

/** The annotation by which a layout's index names a tag. */
export const TAG_ANNOTATION = 'org.opencontainers.image.ref.name';

/** One image of a layout: its manifest's bytes as they are, and what they say. */
export interface ResolvedImage {
  /** Digest of the manifest: the component's digest. */
  readonly digest: string;
  readonly mediaType: string;
  readonly manifestBytes: Buffer;
  readonly manifest: ImageManifest;
  readonly configBytes: Buffer;
  readonly config: ImageConfig;
}

/** An OCI image layout on this machine's disk. */
export interface ImageLayout {
  readonly directory: string;
  /** Tags of the index, sorted. */
  listTags(): Promise<readonly string[]>;
  /**
   * Finds the image that a tag or a `sha256:` digest names; of a nested index the one for linux and the
   * wanted architecture. Refused with any of the {@link OciError} codes; throws only for disk errors.
   */
  resolve(reference: string): Promise<Outcome<ResolvedImage>>;
  /**
   * A blob's bytes, verified against digest and size as they pass: the stream errors at its end with an
   * {@link OciError} when they differ, or at once with `blob-not-found`.
   */
  blobStream(blob: ExpectedContent): Readable;
}

/**
 * Opens a layout.
 * @param options.architecture Go's name; this machine's unless given
 * @throws OciError `layout-invalid` when the folder is none
 */
export async function openLayout(
  directory: string,
  options: { readonly architecture?: string; readonly limits?: Partial<ImageLimits> } = {},
): Promise<ImageLayout> {
  const limits = { ...DEFAULT_IMAGE_LIMITS, ...options.limits };
  const architecture = options.architecture ?? hostArchitecture();
  await assertLayout(directory);

  const blobPath = (digest: string) => join(directory, 'blobs', 'sha256', digest.slice(7));
  const blobStream = (blob: ExpectedContent) => {
    const chunks = readBlob(blobPath(blob.digest), blob.digest);
    return Readable.from(verifiedChunks(chunks, blob), { objectMode: false });
  };
  const readIndex = async () => {
    const bytes = await readBounded(join(directory, 'index.json'), limits.maxManifestBytes);
    return parseImageIndex(bytes, 'index.json', limits);
  };
  const readDocument = async (wanted: Descriptor) => {
    if (wanted.size > limits.maxManifestBytes) throw tooLarge(wanted.digest, limits);
    return readVerified(blobStream(wanted), wanted);
  };

  const load = async (wanted: Descriptor, depth: number): Promise<ResolvedImage> => {
    if (isIndexType(wanted.mediaType)) {
      if (depth >= 4) {
        throw new OciError('manifest-invalid', `Index ${wanted.digest} is nested too deep.`);
      }
      const nested = parseImageIndex(await readDocument(wanted), wanted.digest, limits);
      return load(pickPlatform(nested, wanted.digest, architecture), depth + 1);
    }
    if (!isManifestType(wanted.mediaType)) {
      throw new OciError(
        'media-type-unsupported',
        `${wanted.digest} is of type "${printable(wanted.mediaType)}", not an OCI image manifest.`,
        { digest: wanted.digest },
      );
    }
    const manifestBytes = await readDocument(wanted);
    const manifest = parseImageManifest(manifestBytes, wanted.digest, limits);
    const configBytes = await readVerified(blobStream(manifest.config), manifest.config);
    const config = parseImageConfig(configBytes, manifest.config.digest, limits);
    if (config.diffIds.length !== manifest.layers.length) {
      throw new OciError(
        'config-invalid',
        `Image ${wanted.digest} has ${manifest.layers.length} layers, its config ${config.diffIds.length}.`,
        { digest: wanted.digest },
      );
    }
    const { digest, mediaType } = wanted;
    return { digest, mediaType, manifestBytes, manifest, configBytes, config };
  };

  return {
    directory,
    blobStream,
    async listTags() {
      return tagsOf(await readIndex());
    },
    async resolve(reference) {
      try {
        const index = await readIndex();
        const found = isDigest(reference)
          ? ((await findByDigest(reference, index)) ?? (await describeBlob(reference)))
          : findByTag(reference, index);
        return accepted(await load(found, 0));
      } catch (error) {
        if (isOciError(error)) return refused(error.code, error.message);
        throw error;
      }
    },
  };

  async function findByDigest(digest: string, index: ImageIndex): Promise<Descriptor | undefined> {
    return index.manifests.find((entry) => entry.digest === digest);
  }

  /** A manifest that stands only in a nested index is named by no top entry: its blob tells what it is. */
  async function describeBlob(digest: string): Promise<Descriptor> {
    const found = await stat(blobPath(digest)).catch(() => undefined);
    if (found === undefined) {
      throw new OciError(
        'digest-not-found',
        `There is no image ${digest} in the layout ${directory}. Push it there, or name a tag.`,
        { digest },
      );
    }
    if (found.size > limits.maxManifestBytes) throw tooLarge(digest, limits);
    const wanted = { digest, size: found.size };
    const bytes = await readVerified(blobStream(wanted), wanted);
    const mediaType = mediaTypeOf(bytes);
    return { ...wanted, mediaType, annotations: {}, platform: null };
  }

  function findByTag(tag: string, index: ImageIndex): Descriptor {
    const found = index.manifests.filter((entry) => entry.annotations[TAG_ANNOTATION] === tag);
    const [first] = found;
    if (first === undefined) {
      const tags = tagsOf(index);
      const more = tags.length > 10 ? `, and ${tags.length - 10} more` : '';
      const there =
        tags.length === 0
          ? 'it has none; add the tag to the source'
          : `it has ${tags.slice(0, 10).map(printable).join(', ')}${more}; name one of these, or add the tag to the source`;
      throw new OciError(
        'tag-not-found',
        `There is no tag "${printable(tag)}" in the layout ${directory}: ${there}.`,
      );
    }
    if (found.some((entry) => entry.digest !== first.digest)) {
      throw new OciError(
        'reference-invalid',
        `Tag "${printable(tag)}" names ${found.length} images in ${directory}: name one by its digest.`,
      );
    }
    return first;
  }
}

function pickPlatform(index: ImageIndex, digest: string, architecture: string): Descriptor {
  const found = index.manifests.find(
    ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
  );
  if (found !== undefined) return found;
  const there = index.manifests
    .slice(0, 10)
    .map(({ platform }) => (platform ? `${platform.os}/${platform.architecture}` : 'unnamed'))
    .map(printable);
  throw new OciError(
    'platform-not-found',
    `Index ${digest} has no image for linux/${architecture}; it has ${there.join(', ') || 'none'}.`,
    { digest },
  );
}

function tagsOf(index: ImageIndex): readonly string[] {
  const tags = index.manifests.flatMap((entry) => entry.annotations[TAG_ANNOTATION] ?? []);
  return [...new Set(tags)].sort();
}

function mediaTypeOf(bytes: Buffer): string {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof json === 'object' && json !== null) {
      if ('mediaType' in json && typeof json.mediaType === 'string') return json.mediaType;
      if ('manifests' in json) return MEDIA_TYPES.index;
    }
  } catch {
    // No JSON: the manifest parser refuses it with its own words.
  }
  return MEDIA_TYPES.manifest;
}

function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

async function assertLayout(directory: string): Promise<void> {
  const invalid = (problem: string) =>
    new OciError(
      'layout-invalid',
      `${directory} is no OCI image layout: ${problem}. Name the folder that holds oci-layout.`,
    );
  const text = await readFile(join(directory, 'oci-layout'), 'utf8').catch(() => undefined);
  if (text === undefined) throw invalid('it has no file oci-layout');
  let version: unknown;
  try {
    version = (JSON.parse(text) as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion;
  } catch {
    throw invalid('its oci-layout is no JSON');
  }
  if (version !== '1.0.0') throw invalid('its imageLayoutVersion is not 1.0.0');
}

async function readBounded(path: string, limit: number): Promise<Buffer> {
  const file = await open(path).catch((cause: unknown) => {
    throw new OciError('layout-invalid', `${path} can not be read.`, {}, { cause });
  });
  try {
    // One byte more than allowed tells "too large" from "just fits", whatever stat says.
    const buffer = Buffer.alloc(Math.min((await file.stat()).size, limit) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}

/** Opens the file with the first read: a stream that fails before anybody listens would end the process. */
async function* readBlob(
  path: string,
  digest: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ENOENT') throw cause;
    throw new OciError(
      'blob-not-found',
      `Blob ${digest} is named but not there: the image was copied in part. Copy it again.`,
      { digest },
      { cause },
    );
  }
}

function tooLarge(digest: string, limits: ImageLimits): OciError {
  return new OciError(
    'manifest-too-large',
    `Manifest ${digest} has more than ${limits.maxManifestBytes} bytes; it is not read. Rebuild the image.`,
    { digest },
  );
}
