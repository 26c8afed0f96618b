import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { canonicalJson } from '@sluice/pure';
import { createDeterministicTar, type TarEntry } from './deterministic-tar.ts';
import { type LayerCompression, MEDIA_TYPES } from './media-types.ts';
import { TAG_ANNOTATION } from './open-layout.ts';

/** A layer's bytes with the digests that a manifest and a configuration need. */
export interface PackedLayer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  readonly bytes: Buffer;
}

/** One image for {@link writeLayout}. */
export interface ImageToWrite {
  readonly tag: string;
  /** Go's name; `amd64` unless given. */
  readonly architecture?: string;
  readonly layers: readonly PackedLayer[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** `NAME=value`. */
  readonly env?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Packs one layer deterministically. Uncompressed unless asked otherwise: gzip's bytes differ between
 * builds of zlib, a tar's do not.
 */
export async function packLayer(
  entries: readonly TarEntry[],
  compression: LayerCompression = 'none',
): Promise<PackedLayer> {
  const tar = await createDeterministicTar(entries);
  const diffId = digestOfBuffer(tar);
  if (compression === 'none') {
    return {
      mediaType: MEDIA_TYPES.layerTar,
      digest: diffId,
      size: tar.length,
      diffId,
      bytes: tar,
    };
  }
  const bytes = gzipSync(tar, { level: 9 });
  const digest = digestOfBuffer(bytes);
  return { mediaType: MEDIA_TYPES.layerTarGzip, digest, size: bytes.length, diffId, bytes };
}

/**
 * Writes an OCI image layout anew (an earlier one in the folder is replaced). The same images give the
 * same bytes: canonical JSON, no times.
 * @returns tag → digest of its manifest
 */
export async function writeLayout(
  directory: string,
  images: readonly ImageToWrite[],
): Promise<ReadonlyMap<string, string>> {
  const blobs = join(directory, 'blobs', 'sha256');
  await rm(directory, { recursive: true, force: true });
  await mkdir(blobs, { recursive: true });
  const writeBlob = async (mediaType: string, bytes: Buffer) => {
    const digest = digestOfBuffer(bytes);
    await writeFile(join(blobs, digest.slice(7)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const digests = new Map<string, string>();
  const manifests = [];
  for (const image of images) {
    const architecture = image.architecture ?? 'amd64';
    const layers = [];
    for (const layer of image.layers) layers.push(await writeBlob(layer.mediaType, layer.bytes));
    const config = await writeBlob(
      MEDIA_TYPES.config,
      jsonBytes({
        architecture,
        os: 'linux',
        config: {
          Entrypoint: image.entrypoint ?? [],
          Cmd: image.cmd ?? [],
          Env: image.env ?? [],
          Labels: image.labels ?? {},
        },
        rootfs: { type: 'layers', diff_ids: image.layers.map((layer) => layer.diffId) },
      }),
    );
    const manifest = await writeBlob(
      MEDIA_TYPES.manifest,
      jsonBytes({ schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers }),
    );
    digests.set(image.tag, manifest.digest);
    manifests.push({
      ...manifest,
      annotations: { [TAG_ANNOTATION]: image.tag },
      platform: { os: 'linux', architecture },
    });
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests };
  await writeFile(join(directory, 'index.json'), jsonBytes(index));
  await writeFile(join(directory, 'oci-layout'), jsonBytes({ imageLayoutVersion: '1.0.0' }));
  return digests;
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(canonicalJson(value), 'utf8');
}

function digestOfBuffer(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
