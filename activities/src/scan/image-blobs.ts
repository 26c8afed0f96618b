import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { EvidenceStore } from '@sluice/evidence-store';
import { DEFAULT_IMAGE_LIMITS, type Descriptor, parseImageManifest } from '@sluice/oci';

/** One image as it lies in the evidence store. */
export interface StoredImage {
  readonly digest: string;
  readonly mediaType: string;
  readonly manifestBytes: Uint8Array;
  readonly config: Descriptor;
  /** When the image says it was made; the epoch where it says nothing usable. RFC 3339, whole seconds. */
  readonly createdAt: string;
  readonly layers: readonly Descriptor[];
}

/** Reads an image's manifest and configuration from the evidence store, verified. */
export async function readStoredImage(
  evidence: EvidenceStore,
  digest: string,
): Promise<StoredImage> {
  const { maxManifestBytes, maxConfigBytes } = DEFAULT_IMAGE_LIMITS;
  const manifestBytes = await evidence.getBytes(digest, { maxBytes: maxManifestBytes });
  const manifest = parseImageManifest(manifestBytes, digest);
  const configBytes = await evidence.getBytes(manifest.config.digest, { maxBytes: maxConfigBytes });
  return {
    digest,
    mediaType: manifest.mediaType,
    manifestBytes,
    config: manifest.config,
    createdAt: createdAtOf(configBytes),
    layers: manifest.layers,
  };
}

/** Writes an image as an OCI layout of its own, every blob verified while it is copied. */
export async function materialiseLayout(
  evidence: EvidenceStore,
  image: StoredImage,
  folder: string,
  cancellation: AbortSignal,
): Promise<void> {
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const pathOf = (digest: string): string => join(blobs, digest.slice('sha256:'.length));
  await writeFile(pathOf(image.digest), image.manifestBytes);
  for (const { digest } of [image.config, ...image.layers]) {
    await pipeline(await evidence.get(digest), createWriteStream(pathOf(digest)), {
      signal: cancellation,
    });
  }
  const manifest = {
    mediaType: image.mediaType,
    digest: image.digest,
    size: image.manifestBytes.byteLength,
  };
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [manifest] }),
  );
}

const EPOCH = '1970-01-01T00:00:00Z';

function createdAtOf(configBytes: Uint8Array): string {
  const { created } = JSON.parse(new TextDecoder().decode(configBytes)) as { created?: unknown };
  const at = typeof created === 'string' ? Date.parse(created) : Number.NaN;
  return Number.isNaN(at) ? EPOCH : new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}
